//! The parameters around a term.

use std::rc::Rc;

use super::leads::Leads;

/// The parameters around a term.
#[derive(Clone, Default)]
pub(super) struct Scope {
    inner: Option<Rc<Frame>>,
}

struct Frame {
    leads: Leads,
    outer: Option<Rc<Frame>>,
    /// It is a function that refers to itself.
    is_function: bool,
    /// Whether anything is in it or in those outside of it.
    leads_anywhere: bool,
}

impl Scope {
    /// Around the body of a function that is given this.
    pub fn with(&self, leads: Leads) -> Self {
        self.with_frame(leads, false)
    }

    /// Around the body of a function that refers to itself.
    pub fn with_function(&self) -> Self {
        self.with_frame(Leads::default(), true)
    }

    fn with_frame(&self, leads: Leads, is_function: bool) -> Self {
        let outer = self.inner.clone();
        let leads_anywhere = is_function
            || !leads.is_none()
            || outer.as_ref().is_some_and(|frame| frame.leads_anywhere);
        Self {
            inner: Some(Rc::new(Frame {
                leads,
                outer,
                is_function,
                leads_anywhere,
            })),
        }
    }

    fn at(&self, depth: u32) -> Option<&Frame> {
        let mut frame = self.inner.as_ref()?;
        for _ in 0..depth {
            frame = frame.outer.as_ref()?;
        }
        Some(frame)
    }

    /// What the binder of that depth is given.
    pub fn given(&self, depth: u32) -> Leads {
        self.at(depth)
            .map(|frame| frame.leads.clone())
            .unwrap_or_default()
    }

    /// Whether the binder of that depth is a function that refers to itself.
    pub fn is_function(&self, depth: u32) -> bool {
        self.at(depth).is_some_and(|frame| frame.is_function)
    }

    /// Whether no parameter leads to the flake.
    pub fn leads_nowhere(&self) -> bool {
        !self.inner.as_ref().is_some_and(|it| it.leads_anywhere)
    }
}
