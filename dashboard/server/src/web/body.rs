//! Small bodies: forms and orders, of which a person sends one now and then.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};

/// How long a body may take.
const MAX_TIME: Duration = Duration::from_secs(10);

/// Reads a body of at most so many bytes; `None` if it is larger, breaks off or does not arrive.
pub(crate) async fn small(body: Body, max_bytes: usize) -> Option<Bytes> {
    let read = Limited::new(body, max_bytes).collect();
    Some(tokio::time::timeout(MAX_TIME, read).await.ok()?.ok()?.to_bytes())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tokio_stream::{StreamExt as _, iter, pending};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_is_read_as_a_whole_or_not_at_all() {
        assert_eq!(small(Body::from("four"), 4).await.as_deref(), Some(&b"four"[..]));
        assert_eq!(small(Body::from("fives"), 4).await, None);
        let never = iter([Ok::<_, Infallible>("a")]).chain(pending());
        assert_eq!(small(Body::from_stream(never), 4).await, None);
    }
}
