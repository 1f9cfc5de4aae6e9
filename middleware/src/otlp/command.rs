//! What the application asks of a running export, and how it hears that it is done.

use std::convert::Infallible;
use std::sync::mpsc as blocking;
use std::time::Instant;

use tokio::sync::mpsc;

/// Asks the export for something beyond its routine.
#[derive(Debug)]
pub(super) enum Command {
    /// Send what there is now.
    Flush { deadline: Instant, done: Done },
    /// Send what is left and end.
    Finish { deadline: Instant, done: Done },
}

/// Dropping it says that a command is done, or that nobody is left who could do it.
#[derive(Debug)]
pub(super) enum Done {
    Blocking { _told: blocking::Sender<Infallible> },
    Async { _told: mpsc::Sender<Infallible> },
}

impl Done {
    /// For a thread that blocks.
    pub(super) fn blocking() -> (Self, blocking::Receiver<Infallible>) {
        let (told, heard) = blocking::channel();
        (Self::Blocking { _told: told }, heard)
    }

    /// For a task of any runtime, or of none.
    pub(super) fn waiting() -> (Self, mpsc::Receiver<Infallible>) {
        let (told, heard) = mpsc::channel(1);
        (Self::Async { _told: told }, heard)
    }
}

/// Asks the worker of one signal.
#[derive(Debug)]
pub(super) enum Task {
    /// Send what there is now, then drop this.
    Flush(Token),
    /// Take no more, send what is left and end.
    Finish,
}

/// Held by every worker that has not done what it was asked.
pub(super) type Token = mpsc::Sender<Infallible>;
