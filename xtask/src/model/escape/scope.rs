//! The parameters around a term.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::rc::Rc;

use super::leads::Leads;

/// Two scopes of one mark are taken for the same: it has to be a good hash.
type Marks = BuildHasherDefault<DefaultHasher>;

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
    /// Stands for what is in it; 0 for nothing.
    mark: u64,
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
        let mark = match is_function || !leads.is_none() {
            true => Marks::default().hash_one((is_function, &leads)) | 1,
            false => 0,
        };
        Self {
            inner: Some(Rc::new(Frame {
                leads,
                outer: self.inner.clone(),
                is_function,
                mark,
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

    /// Stands for what the innermost so many parameters are; 0 if none of them leads
    /// anywhere.
    pub fn mark(&self, count: u32) -> u64 {
        let mut all = 0;
        let mut frame = self.inner.as_ref();
        for depth in 0..count {
            let Some(inner) = frame else { break };
            if inner.mark != 0 {
                all = Marks::default().hash_one((all, depth, inner.mark)) | 1;
            }
            frame = inner.outer.as_ref();
        }
        all
    }
}
