//! Why a dashboard can't be asked, in sentences that say what to do.

use super::text::plain;

/// Why a subcommand can't do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The address is none.
    #[error("--url: {0:?} is no address such as http://127.0.0.1:4320")]
    Url(String),
    /// A file can't be used.
    #[error("{0}")]
    File(String),
    /// Nobody is there.
    #[error("nothing listens at {0}: does the dashboard run, and is --url its address?")]
    Nobody(String),
    /// The way there is broken.
    #[error("{0} can't be reached: {1}")]
    Unreached(String, String),
    /// It is not who it should be.
    #[error("the certificate of {0} is not trusted ({1}); name the one to trust with --ca")]
    Untrusted(String, String),
    /// A token is needed, and there is none.
    #[error(
        "the dashboard at {0} asks for a login: give its token with --token-file or in POOLSCOPE_LOGIN_TOKEN (it is the \
         part after t= of the link that the dashboard printed when it started)"
    )]
    NoToken(String),
    /// The token is not the right one.
    #[error(
        "the dashboard at {0} does not know this token; one that it made itself changes whenever it starts, unless it \
         has --login-token-file"
    )]
    WrongToken(String),
    /// It refuses, and says why.
    #[error("the dashboard at {0} refuses ({1}): {2}")]
    Refused(String, http::StatusCode, String),
    /// Something else listens there.
    #[error("what answers at {0} is no Poolscope dashboard, or one of another version: {1}")]
    Stranger(String, String),
    /// It speaks another contract.
    #[error(
        "the dashboard at {url} is of version {version} and speaks another contract ({theirs}, here {ours}); use the same version"
    )]
    OtherVersion {
        /// Whom we asked.
        url: String,
        /// Its version.
        version: String,
        /// Its contract.
        theirs: u64,
        /// Ours.
        ours: u32,
    },
    /// Nobody of this name has sent anything.
    #[error("no service is named {0:?}; known are: {1}")]
    NoService(String, String),
    /// There is no terminal to draw on.
    #[error("top draws on a terminal, and this is none: `poolscope-dashboard snapshot` prints the same once")]
    NoTerminal,
    /// What was to be shown could not be written.
    #[error("the output can't be written: {0}")]
    Output(#[from] std::io::Error),
    /// A document could not be made.
    #[error("the document can't be made: {0}")]
    Document(#[from] serde_json::Error),
}

impl Problem {
    /// A request that got no answer.
    pub(super) fn unanswered(url: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut innermost = error;
        loop {
            let io = innermost.downcast_ref::<std::io::Error>();
            if io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused) {
                return Self::Nobody(url.to_owned());
            }
            match innermost.source() {
                Some(source) => innermost = source,
                None => break,
            }
        }
        let told = plain(&innermost.to_string());
        if told.contains("certificate") {
            Self::Untrusted(url.to_owned(), told)
        } else {
            Self::Unreached(url.to_owned(), told)
        }
    }
}
