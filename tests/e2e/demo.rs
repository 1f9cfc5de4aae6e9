//! The demo service, as its scope sees it, against the kernel's table.

use std::time::{Duration, Instant};

use poolscope::{PoolSnapshot, Scope, ScopeSnapshot};
use poolscope_semconv::value::{
    AcquireOutcome, BreakerState, Observation, RetryOutcome, SessionEnd, TimeoutOutcome,
};
use poolscope_tests::demo::{Demo, FEEDS, Options, Pace};
use poolscope_tests::upstream::Upstream;
use poolscope_tests::{kernel, wait};

/// A pace at which everything happens within seconds.
pub(crate) fn quick() -> Options {
    let pace = Pace { well: Duration::from_secs(3), sick: Duration::from_secs(4) };
    Options { pace, workers: 4, ..Options::default() }
}

fn invariants(pool: &PoolSnapshot) {
    let name = format!("{} to {}:{}", pool.client, pool.host, pool.port);
    let counts = pool.counts();
    assert_eq!(pool.opened - pool.closed_total(), counts.idle + counts.active + counts.upgraded, "{name}");
    assert!(pool.acquired >= pool.released, "{name}");
    assert_eq!(
        pool.acquires_started,
        pool.pending()
            + pool.acquired
            + pool.outcome(AcquireOutcome::Failed)
            + pool.outcome(AcquireOutcome::Canceled),
        "{name}"
    );
}

/// Open connections of a client to an upstream.
fn open(snapshot: &ScopeSnapshot, client: &str, upstream: &Upstream) -> u64 {
    let port = upstream.addr().port();
    snapshot
        .pools
        .iter()
        .filter(|pool| pool.client == client && pool.port == port)
        .map(|pool| pool.counts().open())
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_agree_with_the_kernel_while_the_demo_runs() {
    let scope = Scope::new();
    let mut demo = Demo::start(&scope, quick()).await.unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let snapshot = scope.snapshot();
        snapshot.pools.iter().for_each(invariants);
        let upstreams = demo.upstreams();
        for upstream in [&upstreams.payments, &upstreams.inventory] {
            // A connection that opens or closes between the two looks is in one of them only; so look until both agree.
            wait::until(
                "the kernel to agree",
                async || {
                    let before = kernel::held_to(upstream.addr()).unwrap();
                    let open = open(&scope.snapshot(), "checkout", upstream);
                    (before, open)
                },
                |(held, open)| held.len() as u64 == *open,
            )
            .await;
        }
    }

    let snapshot = scope.snapshot();
    assert_eq!(snapshot.pools.len(), 7);
    for pool in &snapshot.pools {
        let name = format!("{} to {}", pool.client, pool.host);
        assert!(pool.released > 20, "{name} is idle: {pool:?}");
        let reused = pool.outcome(AcquireOutcome::Reused) + pool.outcome(AcquireOutcome::Waited);
        match pool.host.as_str() {
            "legacy.internal" => assert_eq!(reused, 0, "{name} reused a closed connection"),
            _ => assert!(reused > 0, "{name} reused nothing"),
        }
        let is_hyper = ["checkout", "search"].contains(&pool.client.as_str());
        assert_eq!(pool.observation == Observation::Exact, is_hyper, "{name}");
    }
    let inventory = snapshot.breakers.iter().find(|breaker| breaker.name.contains("inventory")).unwrap();
    for state in [BreakerState::Open, BreakerState::HalfOpen, BreakerState::Closed] {
        assert!(
            inventory.transitions.iter().any(|(_, to, _, _)| *to == state),
            "never {state}: {inventory:?}"
        );
    }
    let retried: u64 =
        snapshot.retries.iter().flat_map(|retry| &retry.attempts).map(|(_, count)| count).sum();
    assert!(retried > 0, "{:?}", snapshot.retries);
    let after_retry = |retry: &poolscope::RetrySnapshot| {
        retry.calls.iter().any(|(outcome, count)| *outcome == RetryOutcome::AfterRetry && *count > 0)
    };
    assert!(snapshot.retries.iter().any(after_retry), "{:?}", snapshot.retries);
    let fired = |(outcome, count): &(TimeoutOutcome, u64)| *outcome == TimeoutOutcome::Fired && *count > 0;
    assert!(
        snapshot.timeouts.iter().any(|timeout| timeout.calls.iter().any(fired)),
        "{:?}",
        snapshot.timeouts
    );
    let feeds = snapshot.sessions.iter().find(|sessions| sessions.name == FEEDS).unwrap();
    let ended: u64 = feeds.ended.iter().map(|(_, count)| count).sum();
    assert_eq!(feeds.started - ended, feeds.active, "{feeds:?}");
    assert!(feeds.refused > 0 && feeds.active > 0, "{feeds:?}");
    assert!(feeds.ended(SessionEnd::Dropped) > 0, "nobody vanished: {feeds:?}");

    demo.stop_calls().await;
    let still = wait::until(
        "everything to come to rest",
        async || scope.snapshot(),
        |snapshot| {
            snapshot
                .pools
                .iter()
                .all(|pool| pool.pending() == 0 && pool.in_flight() == 0 && pool.counts().active == 0)
                && snapshot.sessions.iter().all(|sessions| sessions.active == 0)
        },
    )
    .await;
    still.pools.iter().for_each(invariants);
}
