//! Callers who are late or gone while something happens on another thread.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use poolscope::{PoolSnapshot, Scope};
use poolscope_semconv::value::CloseReason;
use poolscope_tests::client::{Client, Kind, Settings};
use poolscope_tests::upstream::{Options, Upstream, answer, answer_with};
use poolscope_tests::wait;
use tokio::sync::Notify;

async fn all_closed(scope: &Scope, count: u64) -> PoolSnapshot {
    let pool = async || scope.snapshot().pools.remove(0);
    wait::until("all closes", pool, |pool| pool.closed_total() >= count && pool.counts().open() == 0).await
}

/// The server has answered and closed, and the caller looks for the answer much later: the connection is found, and not
/// taken for a new one.
#[tokio::test]
async fn an_answer_that_is_taken_late_belongs_to_its_connection() {
    const REQUESTS: u64 = 5;
    for kind in [Kind::HyperH1, Kind::ReqwestH1] {
        let upstream = Upstream::start(Options::default(), |_| async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            answer_with(StatusCode::OK, "late", "connection", "close")
        })
        .await
        .unwrap();
        let scope = Scope::new();
        let client = Client::new(&scope, kind, Settings::default()).unwrap();
        for _ in 0..REQUESTS {
            let (late, url) = (client.clone(), upstream.url("/"));
            let mut call = Box::pin(async move { late.read(&url).await });
            // Polled until it is on its way, and then left alone.
            assert!(tokio::time::timeout(Duration::from_millis(20), &mut call).await.is_err());
            tokio::time::sleep(Duration::from_millis(400)).await;
            assert_eq!(call.await.unwrap(), "late");
        }
        let pool = all_closed(&scope, REQUESTS).await;
        assert_eq!((pool.opened, upstream.counts().accepted()), (REQUESTS, REQUESTS), "{kind:?}");
        assert_eq!(pool.closed_total(), REQUESTS, "{kind:?}: {:?}", pool.closed);
        assert_eq!((pool.in_flight(), pool.wasted), (0, 0), "{kind:?}");
    }
}

/// Requests that are given up are dropped on one thread while their connections are driven by another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_given_up_explains_its_close_whoever_is_quicker() {
    const REQUESTS: u64 = 40;
    let arrived = Arc::new(Notify::new());
    let told = Arc::clone(&arrived);
    let handler = move |request: Request<_>| {
        let told = Arc::clone(&told);
        async move {
            if request.uri().path() == "/never" {
                told.notify_one();
                std::future::pending::<()>().await;
            }
            answer(StatusCode::OK, vec![b'x'; 8 << 20])
        }
    };
    let upstream = Upstream::start(Options::default(), handler).await.unwrap();
    for (path, reason) in [("/never", CloseReason::RequestDropped), ("/big", CloseReason::BodyDropped)] {
        let scope = Scope::new();
        let client = Client::new(&scope, Kind::HyperH1, Settings::default()).unwrap();
        for _ in 0..REQUESTS {
            let request = Request::get(upstream.url(path)).body(Bytes::new()).unwrap();
            // Given up while the server has it, or when its response is there, with the body unread.
            tokio::select! {
                response = client.send(request) => drop(response.unwrap()),
                () = arrived.notified() => {}
            }
        }
        let pool = all_closed(&scope, 1).await;
        assert!(pool.closed.iter().all(|(of, ..)| *of == reason), "{path}: {:?}", pool.closed);
        assert_eq!((pool.in_flight(), pool.counts().open()), (0, 0));
    }
}
