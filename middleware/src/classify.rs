//! Errors to the closed set of `error.type`.

use std::error::Error;
use std::io;

use poolscope_semconv::value::ErrorType;

/// Deepest chain of causes that is walked; a chain that refers to itself would never end.
pub(crate) const MAX_DEPTH: usize = 16;

/// Class of an error, by the most telling of its causes.
pub(crate) fn error_type(error: &(dyn Error + 'static)) -> ErrorType {
    let mut class = ErrorType::Other;
    for cause in causes(error) {
        match of_one(cause) {
            // A timeout is the same wherever in the chain it stands.
            Some(ErrorType::Timeout) => return ErrorType::Timeout,
            // An inner cause says more than the outer "connect" or "request".
            Some(inner) => class = inner,
            None => {}
        }
    }
    if class == ErrorType::Connect && breaks_tls(error) { ErrorType::Tls } else { class }
}

/// Class of an error of a connector: what it does not say itself is that nothing could be connected.
pub(crate) fn connect_error_type(error: &(dyn Error + 'static)) -> ErrorType {
    match error_type(error) {
        ErrorType::Other if breaks_tls(error) => ErrorType::Tls,
        ErrorType::Other => ErrorType::Connect,
        class => class,
    }
}

/// True if a peer could not be reached, and the error says so itself.
pub(crate) fn says_unreachable(error: &(dyn Error + 'static)) -> bool {
    let mut kinds = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).map(of_io);
    kinds.any(|class| class == Some(ErrorType::Connect))
}

/// True if a connect failed on what the peer said: TLS libraries report it as invalid data.
fn breaks_tls(error: &(dyn Error + 'static)) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|error| {
        // An I/O error gives the cause of what it holds as its own, and so passes over another one that it holds.
        let held = |error: &io::Error| error.get_ref()?.downcast_ref::<io::Error>().map(io::Error::kind);
        [Some(error.kind()), held(error)].contains(&Some(io::ErrorKind::InvalidData))
    })
}

/// The error with its causes, in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for cause in causes(error) {
        let part = cause.to_string();
        // Many errors repeat their source in their own text.
        if text.contains(&part) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&part);
    }
    text
}

pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        error.source()
    })
    .take(MAX_DEPTH)
}

fn of_one(error: &(dyn Error + 'static)) -> Option<ErrorType> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return of_io(error);
    }
    #[cfg(feature = "timeout")]
    if error.is::<crate::timeout::Elapsed>() {
        return Some(ErrorType::Timeout);
    }
    #[cfg(feature = "breaker")]
    if error.is::<crate::breaker::BreakerOpen>() {
        return Some(ErrorType::BreakerOpen);
    }
    #[cfg(feature = "shutdown")]
    if error.is::<crate::shutdown::Refused>() || error.is::<crate::shutdown::Cut>() {
        return Some(ErrorType::Shutdown);
    }
    #[cfg(feature = "limit")]
    if error.is::<crate::limit::Refused>() {
        return Some(ErrorType::LimitExceeded);
    }
    #[cfg(feature = "guard")]
    if error.is::<crate::guard::ResourcesExhausted>() {
        return Some(ErrorType::ResourcesExhausted);
    }
    #[cfg(any(feature = "hyper", feature = "reqwest"))]
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return of_hyper(error);
    }
    #[cfg(any(feature = "hyper", feature = "reqwest"))]
    if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
        return error.is_connect().then_some(ErrorType::Connect);
    }
    #[cfg(feature = "reqwest")]
    if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        return of_reqwest(error);
    }
    // It stands in the place of the error that it has, which is not among its causes.
    #[cfg(feature = "reqwest-middleware")]
    if let Some(reqwest_middleware::Error::Reqwest(error)) = error.downcast_ref() {
        return of_reqwest(error);
    }
    None
}

fn of_io(error: &io::Error) -> Option<ErrorType> {
    match error.kind() {
        io::ErrorKind::TimedOut => Some(ErrorType::Timeout),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            Some(ErrorType::ConnectionReset)
        }
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::AddrNotAvailable => Some(ErrorType::Connect),
        io::ErrorKind::UnexpectedEof => Some(ErrorType::IncompleteMessage),
        // What the resolver of the standard library says has no kind of its own.
        _ if error.to_string().contains("failed to lookup address") => Some(ErrorType::Dns),
        _ => None,
    }
}

/// What hyper says where the task of a connection is gone, which it takes for a fault of the program.
#[cfg(any(feature = "hyper", feature = "reqwest"))]
const TASK_GONE: &str = "runtime dropped the dispatch task";

/// What hyper-util says of a request whose place in the pool is gone, after which it drops the connect of that request.
#[cfg(any(feature = "hyper", feature = "reqwest"))]
const NO_LONGER_WANTED: &str = "request was canceled";

/// True if hyper-util has given up to connect for a request, of its own accord.
#[cfg(any(feature = "hyper", feature = "reqwest"))]
pub(crate) fn is_no_longer_wanted(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| cause.to_string() == NO_LONGER_WANTED)
}

#[cfg(any(feature = "hyper", feature = "reqwest"))]
fn of_hyper(error: &hyper::Error) -> Option<ErrorType> {
    if error.is_timeout() {
        Some(ErrorType::Timeout)
    } else if error.is_incomplete_message() {
        Some(ErrorType::IncompleteMessage)
    } else if error.is_parse() {
        Some(ErrorType::Protocol)
    } else if error.source().is_some_and(|cause| cause.to_string() == TASK_GONE) {
        Some(ErrorType::IncompleteMessage)
    } else if error.is_user() || error.is_body_write_aborted() {
        Some(ErrorType::Request)
    } else if error.is_canceled() || error.is_closed() {
        Some(ErrorType::IncompleteMessage)
    } else {
        error.source().and_then(|cause| of_http2(&cause.to_string()))
    }
}

/// hyper does not tell what an error of HTTP/2 is, but the text of its cause does. That is no promise of the `h2` crate; if
/// it ever changes, such errors are told as other ones.
#[cfg(any(feature = "hyper", feature = "reqwest"))]
fn of_http2(cause: &str) -> Option<ErrorType> {
    let (what, reason) = cause.split_once(": ")?;
    match what {
        "stream error received" => Some(ErrorType::StreamReset),
        // A server that goes away in order.
        "connection error received" if reason.starts_with("not a result of an error") => {
            Some(ErrorType::IncompleteMessage)
        }
        "stream error detected" | "connection error detected" | "connection error received" => {
            Some(ErrorType::Protocol)
        }
        _ => None,
    }
}

/// Class of an error of a response body.
pub(crate) fn body_error_type(error: &(dyn Error + 'static)) -> ErrorType {
    match error_type(error) {
        ErrorType::Other | ErrorType::Body if causes(error).any(is_broken_chunk) => ErrorType::Protocol,
        ErrorType::Other => ErrorType::Body,
        class => class,
    }
}

/// hyper takes a chunk that it can't read for an I/O error; one of a decoder that comes after it has another owner.
#[cfg(any(feature = "hyper", feature = "reqwest"))]
fn is_broken_chunk(error: &(dyn Error + 'static)) -> bool {
    let io =
        error.downcast_ref::<hyper::Error>().and_then(|error| error.source()?.downcast_ref::<io::Error>());
    io.is_some_and(|io| matches!(io.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData))
}

#[cfg(not(any(feature = "hyper", feature = "reqwest")))]
fn is_broken_chunk(_: &(dyn Error + 'static)) -> bool {
    false
}

#[cfg(feature = "reqwest")]
fn of_reqwest(error: &reqwest::Error) -> Option<ErrorType> {
    if error.is_timeout() {
        Some(ErrorType::Timeout)
    } else if error.is_connect() {
        Some(ErrorType::Connect)
    } else if error.is_body() || error.is_decode() {
        Some(ErrorType::Body)
    } else if error.is_redirect() {
        Some(ErrorType::Redirect)
    } else if error.is_builder() {
        Some(ErrorType::Request)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn the_innermost_telling_cause_decides() {
        let reset = Outer(io::Error::from(io::ErrorKind::ConnectionReset));
        assert_eq!(error_type(&reset), ErrorType::ConnectionReset);
        assert_eq!(error_type(&Outer(io::Error::other("who knows"))), ErrorType::Other);
        assert_eq!(error_type(&Outer(io::Error::from(io::ErrorKind::TimedOut))), ErrorType::Timeout);
    }

    #[test]
    #[cfg(any(feature = "hyper", feature = "reqwest"))]
    fn an_error_of_http2_is_told_by_its_text() {
        let stream = "stream error received: refused stream before processing any application logic";
        let cases = [
            (stream, Some(ErrorType::StreamReset)),
            ("connection error received: not a result of an error", Some(ErrorType::IncompleteMessage)),
            (
                "connection error received: detected excessive load generating behavior",
                Some(ErrorType::Protocol),
            ),
            ("connection error detected: frame with invalid size", Some(ErrorType::Protocol)),
            ("broken pipe", None),
        ];
        for (text, expected) in cases {
            assert_eq!(of_http2(text), expected, "{text}");
        }
    }

    #[test]
    fn a_chain_is_told_once() {
        let error = Outer(io::Error::other("inner"));
        assert_eq!(chain(&error), "outer: inner");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("self")]
    struct Endless(#[source] Box<Endless2>);
    #[derive(Debug, thiserror::Error)]
    #[error("deep {0}")]
    struct Endless2(u32, #[source] Option<Box<Endless2>>);

    #[test]
    fn a_very_deep_chain_is_cut() {
        let mut deep = Endless2(0, None);
        for depth in 1..1000 {
            deep = Endless2(depth, Some(Box::new(deep)));
        }
        assert!(chain(&Endless(Box::new(deep))).len() < 500);
    }
}
