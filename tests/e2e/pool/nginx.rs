//! nginx, whose own count of connections must be that of the pools.
//!
//! Ignored unless asked for, since it must be there: `cargo xtask test --suite e2e` sees to that.

use std::time::Duration;

use http_body_util::BodyExt;
use poolscope_tests::client::{self, Kind};
use poolscope_tests::nginx::{Nginx, Settings, Status};
use poolscope_tests::wait;

use super::World;
use super::reasons::Why;

const HTTP1: &[Kind] = &[
    Kind::HyperH1,
    Kind::HyperTlsH1,
    Kind::ReqwestH1,
    #[cfg(feature = "https")]
    Kind::ReqwestTlsH1,
];
const HTTP2: &[Kind] = &[
    Kind::HyperH2,
    Kind::HyperTlsH2,
    Kind::ReqwestH2,
    #[cfg(feature = "https")]
    Kind::ReqwestTlsH2,
];

async fn start(kind: Kind, settings: Settings) -> (Nginx, World) {
    let settings = Settings { http2: kind.is_http2(), tls: kind.is_tls(), ..settings };
    let nginx = Nginx::start(settings).await.unwrap();
    let world = World::new(kind, client::Settings::default(), [(&nginx).into()]);
    (nginx, world)
}

/// Waits until nginx has done with what came, and tells whether the pools count what it counts.
async fn agreed(nginx: &Nginx, world: &World) -> Status {
    let pools = world.settled().await;
    let status = wait::until(
        "nginx to be at rest",
        async || nginx.status().await.unwrap(),
        |status| status.reading + status.writing == 0 && status.active == world.held().len() as u64,
    )
    .await;
    assert_eq!(status.handled, status.accepted, "nginx had room for all");
    let sum = |count: fn(&poolscope::PoolSnapshot) -> u64| pools.iter().map(count).sum::<u64>();
    assert_eq!(status.accepted, sum(|pool| pool.opened));
    assert_eq!(status.waiting, sum(|pool| pool.counts().idle));
    assert_eq!(status.requests, sum(|pool| pool.released));
    status
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nginx: cargo xtask test --suite e2e"]
async fn counts_what_the_pools_count_under_load() {
    for kind in [HTTP1, HTTP2].concat() {
        // More than there will be: nginx cuts off streams that come after its Why::Goaway.
        let (nginx, world) =
            start(kind, Settings { keepalive_requests: 10_000, ..Settings::default() }).await;
        world.read(&nginx.url("/")).await;
        let calls: Vec<_> = (0..50)
            .map(|_| {
                let (client, url) = (world.client.clone(), nginx.url("/"));
                tokio::spawn(async move {
                    for _ in 0..20 {
                        assert_eq!(client.read(&url).await.unwrap(), "hello");
                    }
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        let status = agreed(&nginx, &world).await;
        assert_eq!(status.requests, 1_001, "{kind:?}");
        let wasted = world.pool().closed_total();
        world.end(&[(Why::Wasted, wasted)]).await;
    }
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test --suite e2e"]
async fn ends_idle_connections_by_its_own_timeout() {
    for kind in [HTTP1, HTTP2].concat() {
        let settings = Settings { keepalive_timeout: Duration::from_secs(1), ..Settings::default() };
        let (nginx, world) = start(kind, settings).await;
        for _ in 0..3 {
            world.read(&nginx.url("/")).await;
        }
        assert_eq!(agreed(&nginx, &world).await.waiting, 1);
        world.until_held(0).await;
        let reason = if kind.is_http2() { Why::Goaway } else { Why::ServerClosedIdle };
        assert_eq!(agreed(&nginx, &world).await.accepted, 1);
        world.end(&[(reason, 1)]).await;
    }
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test --suite e2e"]
async fn ends_connections_that_have_served_enough() {
    for kind in [HTTP1, HTTP2].concat() {
        let settings = Settings { keepalive_requests: 5, ..Settings::default() };
        let (nginx, world) = start(kind, settings).await;
        for _ in 0..20 {
            world.read(&nginx.url("/")).await;
        }
        world.until_held(0).await;
        let status = agreed(&nginx, &world).await;
        assert_eq!((status.accepted, status.requests), (4, 20), "{kind:?}");
        world.end(&[(if kind.is_http2() { Why::Goaway } else { Why::ConnectionClose }, 4)]).await;
    }
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test --suite e2e"]
async fn notices_a_body_that_is_dropped_half_read() {
    for kind in [HTTP1, HTTP2].concat() {
        let (nginx, world) = start(kind, Settings::default()).await;
        let mut body = world.client.get(&nginx.url("/big")).await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        let status = nginx.status().await.unwrap();
        assert_eq!((status.active, status.writing), (1, 1), "{kind:?}");
        drop(body);
        let kept = usize::from(kind.is_http2());
        world.until_held(kept).await;
        assert_eq!(agreed(&nginx, &world).await.waiting, kept as u64);
        let closes = [(Why::BodyDropped, 1 - kept as u64)];
        world.end_with(&closes, Why::ClientGoneAfterHalfReadStream).await;
    }
}
