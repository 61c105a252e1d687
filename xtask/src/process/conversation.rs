//! A child that answers questions.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Arc;

use rustix::process::Signal;

use super::group::signal_groups;

/// Shares the handle between reading and killing.
pub(super) struct Answers(pub(super) Arc<duct::ReaderHandle>);

impl Read for Answers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

/// A child that is asked and answers, one question at a time. It ends when
/// this value is dropped.
pub struct Conversation {
    questions: Option<io::PipeWriter>,
    reader: BufReader<Answers>,
    answers: Arc<duct::ReaderHandle>,
}

impl Conversation {
    pub(super) fn new(questions: io::PipeWriter, answers: duct::ReaderHandle) -> Self {
        let answers = Arc::new(answers);
        Self {
            questions: Some(questions),
            reader: BufReader::new(Answers(Arc::clone(&answers))),
            answers,
        }
    }

    /// Writes one question.
    ///
    /// # Errors
    /// The child is gone.
    pub fn ask(&mut self, question: &[u8]) -> io::Result<()> {
        let pipe = self.questions.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        pipe.write_all(question)?;
        pipe.flush()
    }

    /// Reads up to and without the next newline.
    ///
    /// # Errors
    /// The child is gone.
    pub fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line)?;
        if line.pop() == Some(b'\n') {
            Ok(line)
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// Reads exactly so many bytes.
    ///
    /// # Errors
    /// The child is gone.
    pub fn bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let wanted = u64::try_from(count).map_err(io::Error::other)?;
        (&mut self.reader).take(wanted).read_to_end(&mut bytes)?;
        if bytes.len() == count {
            Ok(bytes)
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.questions = None;
        signal_groups(&self.answers.pids(), Signal::KILL);
    }
}
