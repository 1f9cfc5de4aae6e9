//! nginx, whose own count of connections must be that of the pools.
//!
//! Ignored unless asked for, since it must be there: `cargo xtask test --suite e2e` sees to that.

use std::time::Duration;

use http_body_util::BodyExt;
use poolscope::PoolSnapshot;
use poolscope_tests::client::{self, Kind};
use poolscope_tests::deaf::Deaf;
use poolscope_tests::nginx::{Nginx, Settings, Status};
use poolscope_tests::upstream::{Options, Upstream};
use poolscope_tests::{limits, wait};

use super::reasons::Why;
use super::reuse::OPEN_FILES;
use super::{World, upgrade};

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
    start_with(kind, settings, client::Settings::default()).await
}

async fn start_with(kind: Kind, settings: Settings, client: client::Settings) -> (Nginx, World) {
    let settings = Settings { http2: kind.is_http2(), tls: kind.is_tls(), ..settings };
    let nginx = Nginx::start(settings).await.unwrap();
    let world = World::new(kind, client, [(&nginx).into()]);
    (nginx, world)
}

/// Waits until nginx has done with what came and counts what the pools count, and tells what that is.
async fn agreed(nginx: &Nginx, world: &World) -> Status {
    let ask = async || (world.settled().await, nginx.status().await.unwrap());
    let (_, status) = wait::until("nginx to agree", ask, |(pools, status)| {
        let sum = |count: fn(&PoolSnapshot) -> u64| pools.iter().map(count).sum::<u64>();
        let upgraded = sum(|pool| pool.counts().upgraded);
        let expected = Status {
            active: sum(|pool| pool.counts().open()),
            accepted: sum(|pool| pool.opened),
            // It had room for all.
            handled: sum(|pool| pool.opened),
            requests: sum(|pool| pool.released) - world.refused(),
            reading: 0,
            writing: upgraded,
            waiting: sum(|pool| pool.counts().idle),
        };
        *status == expected
    })
    .await;
    status
}

/// The end of a scenario, at which nginx has seen the client go too.
async fn end(nginx: &Nginx, world: World, closes: &[(Why, u64)], rest: Why) {
    let before = agreed(nginx, &world).await;
    world.end_with(closes, rest).await;
    let gone = Status { active: 0, waiting: 0, ..before };
    wait::until("all gone", async || nginx.status().await.unwrap(), |status| *status == gone).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nginx: cargo xtask test --suite e2e"]
async fn counts_what_the_pools_count_under_load() {
    limits::allow_open_files(OPEN_FILES).unwrap();
    for kind in [HTTP1, HTTP2].concat() {
        // A thousand at a time, but that each handshake of TLS takes its time.
        let (callers, each) = if kind.is_tls() { (50, 20) } else { (1_000, 3) };
        // More than there will be: nginx cuts off streams that come after its GOAWAY.
        let (nginx, world) =
            start(kind, Settings { keepalive_requests: 10_000, ..Settings::default() }).await;
        world.read(&nginx.url("/")).await;
        let calls: Vec<_> = (0..callers)
            .map(|_| {
                let (client, url) = (world.client.clone(), nginx.url("/"));
                tokio::spawn(async move {
                    for _ in 0..each {
                        assert_eq!(client.read(&url).await.unwrap(), "hello");
                    }
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        let status = agreed(&nginx, &world).await;
        assert_eq!(status.requests, 1 + callers * each, "{kind:?}");
        let wasted = world.pool().closed_total();
        end(&nginx, world, &[(Why::Wasted, wasted)], Why::ClientGone).await;
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
        end(&nginx, world, &[(reason, 1)], Why::ClientGone).await;
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
        let reason = if kind.is_http2() { Why::Goaway } else { Why::ConnectionClose };
        end(&nginx, world, &[(reason, 4)], Why::ClientGone).await;
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
        end(&nginx, world, &closes, Why::ClientGoneAfterHalfReadStream).await;
    }
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test --suite e2e"]
async fn sees_idle_connections_end_by_our_timeout() {
    for kind in [HTTP1, HTTP2].concat() {
        let idle_timeout = Some(Duration::from_millis(300));
        let client = client::Settings { idle_timeout, ..client::Settings::default() };
        let (nginx, world) = start_with(kind, Settings::default(), client).await;
        world.read(&nginx.url("/")).await;
        world.until_held(0).await;
        end(&nginx, world, &[(Why::OurIdleTimeout, 1)], Why::ClientGone).await;
    }
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test --suite e2e"]
async fn closes_after_each_answer() {
    for kind in HTTP1 {
        let settings = Settings { keepalive_timeout: Duration::ZERO, ..Settings::default() };
        let (nginx, world) = start(*kind, settings).await;
        for _ in 0..3 {
            world.read(&nginx.url("/")).await;
        }
        world.until_held(0).await;
        assert_eq!(agreed(&nginx, &world).await.accepted, 3);
        end(&nginx, world, &[(Why::ConnectionClose, 3)], Why::ClientGone).await;
    }
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test --suite e2e"]
async fn sends_idle_connections_away_when_it_starts_anew() {
    for kind in [HTTP1, HTTP2].concat() {
        let (nginx, world) = start(kind, Settings { reloads: true, ..Settings::default() }).await;
        world.read(&nginx.url("/")).await;
        nginx.reload().await.unwrap();
        world.until_held(0).await;
        world.read(&nginx.url("/")).await;
        let status = agreed(&nginx, &world).await;
        assert_eq!((status.accepted, status.waiting), (2, 1), "{kind:?}");
        let reason = if kind.is_http2() { Why::Goaway } else { Why::ServerClosedIdle };
        end(&nginx, world, &[(reason, 1)], Why::ClientGone).await;
    }
}

/// The answer that is under way is read to its end; the next request has another connection.
#[tokio::test]
#[ignore = "needs nginx: cargo xtask test --suite e2e"]
async fn ends_a_connection_in_use_after_its_answer_when_it_starts_anew() {
    for kind in [HTTP1, HTTP2].concat() {
        let (nginx, mut world) = start(kind, Settings { reloads: true, ..Settings::default() }).await;
        let mut body = world.client.get(&nginx.url("/big")).await.unwrap().into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        nginx.reload().await.unwrap();
        world.until_reopened(&nginx.url("/")).await;
        assert_eq!(first.len() + body.collect().await.unwrap().to_bytes().len(), 8 << 20);
        world.until_held(1).await;
        let reason = if kind.is_http2() { Why::Goaway } else { Why::ServerClosedAfterAnswer };
        end(&nginx, world, &[(reason, 1)], Why::ClientGone).await;
    }
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test --suite e2e"]
async fn is_stopped_in_the_middle_of_a_body() {
    for kind in [HTTP1, HTTP2].concat() {
        let (mut nginx, world) = start(kind, Settings::default()).await;
        let mut body = world.client.get(&nginx.url("/big")).await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        assert_eq!(nginx.status().await.unwrap().writing, 1);
        nginx.stop().unwrap();
        body.collect().await.unwrap_err();
        world.until_held(0).await;
        world.end(&[(Why::ServerStopped, 1)]).await;
    }
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test --suite e2e"]
async fn counts_a_request_that_is_given_up() {
    for kind in [HTTP1, HTTP2].concat() {
        let silent = Deaf::silent().await.unwrap();
        let passes_to = Some(silent.addr().unwrap());
        let (nginx, world) = start(kind, Settings { passes_to, ..Settings::default() }).await;
        let (client, url) = (world.client.clone(), nginx.url("/pass/"));
        let call = tokio::spawn(async move { client.get(&url).await.map(drop) });
        wait::until(
            "the request to arrive",
            async || nginx.status().await.unwrap(),
            |status| (status.requests, status.writing) == (1, 1),
        )
        .await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        let kept = usize::from(kind.is_http2());
        world.until_held(kept).await;
        assert_eq!(agreed(&nginx, &world).await.waiting, kept as u64, "{kind:?}");
        end(&nginx, world, &[(Why::RequestDropped, 1 - kept as u64)], Why::ClientGone).await;
    }
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test --suite e2e"]
async fn counts_an_upgraded_connection() {
    for kind in HTTP1 {
        let upstream = Upstream::start(Options::default(), upgrade::echo).await.unwrap();
        let passes_to = Some(upstream.addr());
        let (nginx, world) = start(*kind, Settings { passes_to, ..Settings::default() }).await;
        let request = upgrade::switch_request(&nginx.url("/pass/"));
        upgrade::talk(&world, world.client.send(request).await.unwrap()).await;
        end(&nginx, world, &[(Why::UpgradeEnded, 1)], Why::ClientGone).await;
    }
}
