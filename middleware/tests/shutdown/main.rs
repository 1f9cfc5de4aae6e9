//! The shutdown of a scope: what may end, what is refused and what is cut.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use poolscope::Scope;
use poolscope::retry::{RetryLayer, RetryPolicy};
use poolscope::shutdown::{Error, Shutdown, ShutdownLayer};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

mod guard;

const SECOND: Duration = Duration::from_secs(1);

fn request() -> Request<()> {
    Request::get("http://pay.example/").body(()).unwrap()
}

/// A client whose answers take so long.
fn client(
    scope: &Scope,
    time: Duration,
) -> Shutdown<
    impl Service<Request<()>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send> + Clone + use<>,
> {
    ShutdownLayer::new(scope).layer(service_fn(move |_: Request<()>| async move {
        sleep(time).await;
        Ok(Response::new(Full::from("body")))
    }))
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_may_end_and_nothing_new_begins() {
    let scope = Scope::new();
    let client = client(&scope, 2 * SECOND);
    let under_way = tokio::spawn(client.clone().oneshot(request()));
    tokio::task::yield_now().await;
    let shutdown = tokio::spawn({
        let scope = scope.clone();
        async move { scope.shutdown(10 * SECOND).await }
    });
    tokio::task::yield_now().await;
    let refused = client.clone().oneshot(request()).await;
    assert_eq!(refused.unwrap_err().to_string(), "the program shuts down and sends no new requests");

    let response = under_way.await.unwrap().unwrap();
    sleep(SECOND).await;
    assert!(!shutdown.is_finished(), "a response that is not read is under way");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "body");
    let report = shutdown.await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.began_with, report.cut, report.left, report.took), (1, 0, 0, 3 * SECOND));
    assert!(
        report.to_string().ends_with("of 1 requests of clients 1 ended, 0 were cut, 0 are left"),
        "{report}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_has_not_ended_by_the_deadline_is_cut_wherever_it_is() {
    let scope = Scope::new();
    // One in the service, one between two attempts, and one in a body.
    let hangs = ShutdownLayer::new(&scope)
        .layer(service_fn(|_: Request<()>| pending::<Result<Response<String>, Infallible>>()));
    let policy =
        RetryPolicy::builder(&scope, "retry").base_delay(60 * SECOND).max_delay(60 * SECOND).build().unwrap();
    let retries = ServiceBuilder::new()
        .layer(ShutdownLayer::new(&scope))
        .layer(RetryLayer::new(policy))
        .service(service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::builder().status(503).body(String::new()).unwrap())
        }));
    let streams = ShutdownLayer::new(&scope).layer(service_fn(|_: Request<()>| async {
        let first = tokio_stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from("first")))]);
        Ok::<_, Infallible>(Response::new(StreamBody::new(tokio_stream::StreamExt::chain(
            first,
            tokio_stream::pending(),
        ))))
    }));
    let hangs = tokio::spawn(hangs.oneshot(request()));
    let retries = tokio::spawn(retries.oneshot(request()));
    let mut body = streams.oneshot(request()).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "first");
    let body = tokio::spawn(async move { (body.frame().await, body.frame().await) });

    tokio::task::yield_now().await;
    let began = Instant::now();
    let report = scope.shutdown(5 * SECOND).await;
    assert_eq!((report.began_with, report.cut, report.left), (3, 3, 0));
    assert_eq!(began.elapsed(), 5 * SECOND, "what is cut ends at once");
    assert!(matches!(hangs.await.unwrap(), Err(Error::Cut(_))));
    assert!(matches!(retries.await.unwrap(), Err(Error::Cut(_))));
    let (cut, after) = body.await.unwrap();
    assert!(matches!(cut, Some(Err(Error::Cut(_)))));
    assert!(after.is_none());
}

/// A body that always has more, so that its task is never woken.
#[tokio::test(start_paused = true)]
async fn a_body_that_never_waits_is_cut_too() {
    let scope = Scope::new();
    let client = ShutdownLayer::new(&scope).layer(service_fn(|_: Request<()>| async {
        let endless = std::iter::repeat_with(|| Ok::<_, Infallible>(Frame::data(Bytes::from("more"))));
        Ok::<_, Infallible>(Response::new(StreamBody::new(tokio_stream::iter(endless))))
    }));
    let mut body = client.oneshot(request()).await.unwrap().into_body();
    let report = scope.shutdown(SECOND).await;
    assert_eq!((report.cut, report.left), (0, 1), "nobody has asked for more of it yet");
    assert!(
        report.to_string().ends_with("of 1 requests of clients 0 ended, 0 were cut, 1 are left"),
        "{report}"
    );
    assert!(matches!(body.frame().await, Some(Err(Error::Cut(_)))));
    let report = scope.shutdown(SECOND).await;
    assert_eq!((report.began_with, report.cut), (0, 0), "it was cut between the two");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_tells_of_what_a_shorter_one_has_cut() {
    let scope = Scope::new();
    let hangs = tokio::spawn(client(&scope, 60 * SECOND).oneshot(request()));
    tokio::task::yield_now().await;
    let (short, long) = tokio::join!(scope.shutdown(SECOND), scope.shutdown(9 * SECOND));
    assert!(matches!(hangs.await.unwrap(), Err(Error::Cut(_))));
    for report in [short, long] {
        assert_eq!((report.began_with, report.cut, report.left), (1, 1, 0));
        assert!(!report.is_clean() && report.took < 2 * SECOND, "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_dropped_is_not_waited_for() {
    let scope = Scope::new();
    let mut client = client(&scope, 60 * SECOND);
    {
        let mut call = pin!(client.ready().await.unwrap().call(request()));
        assert!(matches!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
    }
    let response = ShutdownLayer::new(&scope)
        .layer(service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(String::from("body")))
        }))
        .oneshot(request())
        .await
        .unwrap();
    drop(response);
    let report = scope.shutdown(SECOND).await;
    assert_eq!((report.began_with, report.took), (0, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn clones_end_together_and_readiness_holds_nothing() {
    let scope = Scope::new();
    let mut clone = client(&scope, SECOND).clone();
    clone.ready().await.unwrap();
    let report = scope.shutdown(SECOND).await;
    assert_eq!(report.began_with, 0);
    assert!(matches!(clone.call(request()).await, Err(Error::Refused(_))));
}
