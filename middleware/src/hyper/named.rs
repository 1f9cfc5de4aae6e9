//! [`ConnectionRef`]: how an HTTP/2 request and its connection find each other.
//!
//! hyper-util keeps what it knows of a connection beside the handle to it, and copies both whenever a request takes the
//! connection out of the pool, in that request's own poll. So a copy that is made there names the connection before the
//! request is sent. The response, and an error, get a copy too, and name it once more.
//!
//! The first request of a connection is found in this way; by it, the connection's task is known, which finds all others:
//! those too that waited for a connect, and whose copies were made in the poll of another one. The registry's `Senders` keep
//! which task that is.

use std::cell::Cell;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;
use tokio::task;

use crate::current;
use crate::registry::{Connection, Task};

thread_local! {
    /// The connection that was named last in the poll of a request.
    static NAMED: Cell<Option<Arc<Connection>>> = const { Cell::new(None) };
}

/// The connection that hyper-util keeps beside its handle to it, and puts into the extensions of responses.
#[derive(Debug)]
pub(super) struct ConnectionRef(pub(super) Arc<Connection>);

impl Clone for ConnectionRef {
    fn clone(&self) -> Self {
        // Once its task is known, that is a cheaper way.
        if !self.0.has_sender() && current::is_in_request() {
            NAMED.set(Some(Arc::clone(&self.0)));
            current::named();
        }
        Self(Arc::clone(&self.0))
    }
}

/// The connection that was named in a poll which has [seen so](crate::current::Seen::named).
pub(super) fn take() -> Option<Arc<Connection>> {
    NAMED.take()
}

/// The task that runs on this thread now, if one of tokio's does.
pub(super) fn task() -> Option<Task> {
    // tokio does not give out the number of a task.
    task::try_id().map(|id| Task::new(FixedState::default().hash_one(id)))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use http_body::Body;
    use http_body_util::Empty;
    use tokio::sync::{mpsc, oneshot};
    use tower::{Layer, ServiceExt, service_fn};

    use super::*;
    use crate::clock::Instant;
    use crate::hyper::{RequestBody, RequestLayer};
    use crate::registry::{DestinationRef, Established, Protocol};
    use crate::{ClientScope, Scope};

    type Sent = RequestBody<Empty<&'static [u8]>>;
    type Asked = oneshot::Sender<()>;

    /// Does what hyper's task for a connection does with the body of each request.
    fn sender() -> mpsc::UnboundedSender<(Sent, Asked)> {
        let (requests, mut taken) = mpsc::unbounded_channel::<(Sent, Asked)>();
        tokio::spawn(async move {
            while let Some((body, asked)) = taken.recv().await {
                let _ = body.is_end_stream();
                // Nobody waits for it where the request was dropped.
                let _ = asked.send(());
            }
        });
        requests
    }

    /// A connection as hyper-util keeps it.
    #[derive(Debug, Clone)]
    struct Kept {
        extra: Arc<ConnectionRef>,
        sender: mpsc::UnboundedSender<(Sent, Asked)>,
    }

    impl Kept {
        fn open(client: &ClientScope, sender: mpsc::UnboundedSender<(Sent, Asked)>) -> Self {
            let pool = client.pool(&DestinationRef::new("http", "host", None));
            let made = Established { protocol: Protocol::Http2, ..Established::default() };
            let connection = pool.opened(client.scope().next_id(), made, Instant::now());
            Self { extra: Arc::new(ConnectionRef(connection)), sender }
        }

        fn connection(&self) -> &Arc<Connection> {
            &self.extra.0
        }

        fn requests(&self) -> u64 {
            self.connection().requests()
        }

        /// Hands itself to the request that is being polled.
        fn take_out(&self) {
            drop(ConnectionRef::clone(&self.extra));
        }

        async fn send(&self, body: Sent) {
            let (asked, was_asked) = oneshot::channel();
            self.sender.send((body, asked)).unwrap();
            was_asked.await.unwrap();
        }
    }

    /// Makes a request whose client does as told; its answer names no connection.
    async fn request(client: &ClientScope, run: impl AsyncFn(Sent)) {
        let service = service_fn(async |request: Request<Sent>| {
            run(request.into_body()).await;
            Ok::<_, Infallible>(Response::new(Empty::<&'static [u8]>::new()))
        });
        let request = Request::get("http://host/").body(Empty::new()).unwrap();
        RequestLayer::new(client).layer(service).oneshot(request).await.unwrap();
    }

    /// One that takes a connection out of the pool before it is sent.
    async fn reuse(client: &ClientScope, kept: &Kept) {
        request(client, async |body| {
            kept.take_out();
            kept.send(body).await;
        })
        .await;
    }

    /// One that waited for a connect.
    async fn wait(client: &ClientScope, kept: &Kept) {
        request(client, async |body| kept.send(body).await).await;
    }

    fn two(client: &ClientScope) -> [Kept; 2] {
        [Kept::open(client, sender()), Kept::open(client, sender())]
    }

    #[tokio::test]
    async fn the_first_request_of_a_connection_tells_whose_the_others_are() {
        let client = Scope::new().client("test");
        let [first, second] = two(&client);
        wait(&client, &first).await;
        assert_eq!((first.requests(), second.requests()), (0, 0), "nobody has told");
        for count in 1..=3 {
            reuse(&client, &first).await;
            wait(&client, &second).await;
            assert_eq!((first.requests(), second.requests()), (2 * count - 1, 0));
            wait(&client, &first).await;
            assert_eq!(first.requests(), 2 * count);
        }
        reuse(&client, &second).await;
        wait(&client, &second).await;
        assert_eq!((first.requests(), second.requests()), (6, 2));
    }

    #[tokio::test]
    async fn a_copy_that_is_made_outside_of_a_request_tells_nothing() {
        let client = Scope::new().client("test");
        let [first, _second] = two(&client);
        first.take_out();
        wait(&client, &first).await;
        assert_eq!(first.requests(), 0);
    }

    #[tokio::test]
    async fn the_only_connection_has_the_requests_of_which_nothing_is_told() {
        let client = Scope::new().client("test");
        let only = Kept::open(&client, sender());
        wait(&client, &only).await;
        assert_eq!(only.requests(), 1);
        let pool = client.scope().snapshot().pools.remove(0);
        assert_eq!((pool.streams, pool.in_flight(), pool.counts().idle), (0, 0, 1));
    }

    /// hyper-util tries another connection where one has not taken the request, without a word if it waits for that one.
    #[tokio::test]
    async fn a_connection_that_was_tried_before_does_not_count() {
        let client = Scope::new().client("test");
        let [first, second] = two(&client);
        reuse(&client, &first).await;
        request(&client, async |body| {
            first.take_out();
            second.send(body).await;
        })
        .await;
        assert_eq!((first.requests(), second.requests()), (1, 0), "its task is another one");

        let [first, second] = two(&client);
        request(&client, async |body| {
            first.take_out();
            task::yield_now().await;
            first.connection().close(Instant::now());
            second.send(body).await;
        })
        .await;
        assert_eq!((first.requests(), second.requests()), (0, 0), "it is closed");
    }

    #[tokio::test]
    async fn a_request_that_is_sent_before_its_poll_ends_is_found_when_it_does() {
        let client = Scope::new().client("test");
        let [first, _second] = two(&client);
        request(&client, async |body| {
            first.take_out();
            let _ = body.is_end_stream();
        })
        .await;
        assert_eq!(first.requests(), 1);
        assert!(!first.connection().has_sender(), "the caller's own task sends nothing");
    }

    #[tokio::test]
    async fn a_task_with_several_connections_names_none() {
        let client = Scope::new().client("test");
        let shared = sender();
        let [first, second] = [(); 2].map(|()| Kept::open(&client, shared.clone()));
        reuse(&client, &first).await;
        reuse(&client, &second).await;
        assert_eq!((first.requests(), second.requests()), (1, 1));
        wait(&client, &first).await;
        wait(&client, &second).await;
        assert_eq!((first.requests(), second.requests()), (1, 1), "either could be it");
    }

    #[tokio::test]
    async fn a_task_outlives_the_connection_that_it_was_known_for() {
        let client = Scope::new().client("test");
        let task = sender();
        let [first, second] = [(); 2].map(|()| Kept::open(&client, task.clone()));
        reuse(&client, &first).await;
        first.connection().close(Instant::now());
        reuse(&client, &second).await;
        wait(&client, &second).await;
        assert_eq!((first.requests(), second.requests()), (1, 2));
    }
}
