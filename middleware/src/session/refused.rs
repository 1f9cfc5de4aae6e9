//! [`Refused`].

use std::sync::Arc;

/// Why a session can't begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// There are as many as there may be.
    #[error(
        "no more sessions of {name} can begin: {max} of at most {max} are there, {overdue} of them overdue"
    )]
    Full {
        /// Name of the registry.
        name: Arc<str>,
        /// Most sessions at a time.
        max: usize,
        /// Those of them that were told to end and did not.
        overdue: u64,
    },
    /// The program, or this part of it, shuts down.
    #[error("no more sessions of {name} can begin: they shut down")]
    Shutdown {
        /// Name of the registry.
        name: Arc<str>,
    },
    /// Nobody could end it when its time is over: it would begin outside of a tokio runtime.
    #[error("no session of {name} can begin here: outside of a tokio runtime, nothing can look after it")]
    NoRuntime {
        /// Name of the registry.
        name: Arc<str>,
    },
    /// It alone is larger than everything that may be kept. Only of a store that is bounded in bytes.
    #[error("no session of {name} can begin: its value alone is larger than everything that may be kept")]
    TooLarge {
        /// Name of the store.
        name: Arc<str>,
    },
    /// The system has no random numbers, so that others could guess its id. Only of a store.
    #[error("no session of {name} can begin: the system has no random numbers for its id")]
    NoId {
        /// Name of the store.
        name: Arc<str>,
    },
}
