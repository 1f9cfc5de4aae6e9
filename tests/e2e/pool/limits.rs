//! Limits of requests in flight, and what they do to the connections below them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::StatusCode;
use poolscope::LimitOutcome;
use poolscope::limit::{LimitBuilder, LimitLayer};
use poolscope_semconv::value::{AcquireOutcome, BlockingReason};
use poolscope_tests::client::{Client, NAME, Settings};
use poolscope_tests::upstream::{Upstream, answer, answer_without_end};
use poolscope_tests::wait;
use tokio::task::JoinSet;

use super::reasons::Why;
use super::{Kind, World, for_clients, options};

for_clients!(a_thousand_requests_through_ten: all);
for_clients!(a_queue_that_is_full: http1);
for_clients!(waits_that_end_in_every_way: all);

const LIMIT: u64 = 10;

/// Requests that a server has in hand, and the most that it ever had.
#[derive(Default)]
struct InHand {
    now: AtomicU64,
    most: AtomicU64,
}

impl InHand {
    async fn hold(self: Arc<Self>, time: Duration) {
        let now = self.now.fetch_add(1, Relaxed) + 1;
        self.most.fetch_max(now, Relaxed);
        tokio::time::sleep(time).await;
        self.now.fetch_sub(1, Relaxed);
    }
}

/// Puts a limit around the client of a world.
fn limit(world: &mut World, options: impl FnOnce(LimitBuilder) -> LimitBuilder) {
    let limit = options(LimitLayer::builder(&world.scope.client(NAME))).build().unwrap();
    world.client = Client::limited(&world.scope, world.kind, Settings::default(), &limit).unwrap();
}

async fn a_thousand_requests_through_ten(kind: Kind) {
    let in_hand = Arc::new(InHand::default());
    let server = Arc::clone(&in_hand);
    let handler = move |_| {
        let server = Arc::clone(&server);
        async move {
            server.hold(Duration::from_millis(2)).await;
            answer(StatusCode::OK, "done")
        }
    };
    let upstream = Upstream::start(options(kind), handler).await.unwrap();
    let mut world = World::new(kind, Settings::default(), [(&upstream).into()]);
    limit(&mut world, |limit| limit.per_destination(LIMIT as u32).acquire_timeout(Duration::from_secs(60)));
    let mut requests = JoinSet::new();
    for _ in 0..1_000 {
        let (client, url) = (world.client.clone(), upstream.url("/"));
        requests.spawn(async move { client.read(&url).await });
    }
    let waiting = wait::until(
        "requests to wait",
        async || world.scope.snapshot().pools.pop()?.waiting,
        |waiting| waiting.as_ref().is_some_and(|waiting| waiting.blocked_by == BlockingReason::Limit),
    )
    .await;
    assert!(waiting.is_some_and(|waiting| waiting.requests > 0));
    while let Some(done) = requests.join_next().await {
        assert_eq!(done.unwrap().unwrap(), "done");
    }
    let pool = world.settled().await.remove(0);
    let limit = pool.limit.as_ref().unwrap();
    assert_eq!((limit.in_use, limit.queued, limit.oldest_wait), (0, 0, None));
    let [at_once, waited] = [LimitOutcome::AtOnce, LimitOutcome::AfterWait].map(|of| limit.outcome(of));
    assert_eq!(at_once + waited, 1_000);
    assert_eq!((pool.acquires_started, pool.acquired, upstream.counts().requests()), (1_000, 1_000, 1_000));
    // Those who waited for their turn have waited for their connection.
    assert!(pool.queued.count() >= waited, "{:?}", pool.queued);
    assert_eq!(limit.wait.count(), waited);
    assert_eq!(in_hand.most.load(Relaxed), LIMIT);
    // A request that is let in a moment before a connection is back in the pool may have one more made.
    assert!(pool.opened < 2 * LIMIT, "{} connections", pool.opened);
    // Those that HTTP/2 did not need, and such as went to a request that had just got another one.
    let unused =
        upstream.counts().by_connection().iter().filter(|(_, requests)| *requests == 0).count() as u64;
    let redundant = if kind.is_http2() { unused } else { 0 };
    let closed = pool.closed_total();
    world.end(&[(Why::Redundant, redundant), (Why::Wasted, closed - redundant)]).await;
}

async fn a_queue_that_is_full(kind: Kind) {
    let upstream = Upstream::start(options(kind), |_| async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        answer(StatusCode::OK, "done")
    })
    .await
    .unwrap();
    let mut world = World::new(kind, Settings::default(), [(&upstream).into()]);
    limit(&mut world, |limit| limit.per_destination(2).max_queued(3));
    let mut requests = JoinSet::new();
    for _ in 0..10 {
        let (client, url) = (world.client.clone(), upstream.url("/"));
        requests.spawn(async move { client.read(&url).await });
    }
    let (mut done, mut refused) = (0, Vec::new());
    while let Some(result) = requests.join_next().await {
        match result.unwrap() {
            Ok(_) => done += 1,
            Err(error) => refused.push(error.to_string()),
        }
    }
    assert_eq!((done, refused.len()), (5, 5));
    assert!(refused[0].contains("its queue is full (2 of 2 are in flight, 3 wait)"), "{}", refused[0]);
    let pool = world.settled().await.remove(0);
    assert_eq!(
        (upstream.counts().requests(), pool.acquired, pool.outcome(AcquireOutcome::Failed)),
        (5, 5, 5)
    );
    world.end(&[]).await;
}

/// Callers that give up in the queue, under a request and in a body, beside those that stay.
async fn waits_that_end_in_every_way(kind: Kind) {
    let upstream = Upstream::start(options(kind), |request| async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        match request.uri().path() {
            "/stream" => answer_without_end(Duration::from_millis(1)),
            "/hang" => std::future::pending().await,
            _ => answer(StatusCode::OK, "done"),
        }
    })
    .await
    .unwrap();
    let mut world = World::new(kind, Settings::default(), [(&upstream).into()]);
    limit(&mut world, |limit| limit.per_destination(4).acquire_timeout(Duration::from_millis(300)));
    let mut requests = JoinSet::new();
    for number in 0..200_u64 {
        let path = ["/", "/stream", "/hang", "/"][(number % 4) as usize];
        let (client, url) = (world.client.clone(), upstream.url(path));
        let patience = Duration::from_millis(10 + number % 4 * 200);
        requests.spawn(async move {
            let call = async {
                let response = client.get(&url).await?;
                http_body_util::BodyExt::collect(response.into_body()).await
            };
            tokio::time::timeout(patience, call).await.is_ok_and(|result| result.is_ok())
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let done = requests.join_all().await.into_iter().filter(|done| *done).count();
    assert!(done > 0);
    let pool = wait::until(
        "an empty limit",
        async || world.pool(),
        |pool| (pool.pending(), pool.in_flight(), pool.connecting) == (0, 0, 0),
    )
    .await;
    let limit = pool.limit.as_ref().unwrap();
    assert_eq!((limit.in_use, limit.queued, limit.oldest_wait), (0, 0, None));
    assert_eq!(limit.calls.iter().map(|(_, calls)| calls).sum::<u64>(), 200);
    assert!(limit.outcome(LimitOutcome::Canceled) > 0, "{limit:?}");
    let through = limit.outcome(LimitOutcome::AtOnce) + limit.outcome(LimitOutcome::AfterWait);
    assert_eq!(pool.acquires_started, 200);
    assert!(pool.acquired <= through);
    assert!(upstream.counts().requests() <= through);
}
