//! Requests that take a way round: by a proxy, by a tunnel.

use poolscope_tests::client::Settings;
use poolscope_tests::proxy::Proxy;
use poolscope_tests::upstream::Upstream;

use super::world::Server;
use super::{Kind, World, for_clients, ok, options};

for_clients!(tunnel: hyper_http1, hyper_http2);

async fn tunnel(kind: Kind) {
    let (upstream, proxy) =
        (Upstream::start(options(kind), ok).await.unwrap(), Proxy::start().await.unwrap());
    let world = through(kind, &proxy, Server::tunnel(&proxy, &upstream));
    for _ in 0..5 {
        world.read(&upstream.url("/")).await;
    }
    assert_eq!((proxy.tunnels(), upstream.counts().requests()), (1, 5));
    of_the_origin(&world, &upstream).await;
    world.end(&[]).await;
}

#[cfg(feature = "https")]
#[tokio::test]
async fn reqwest_tunnels_what_goes_to_https() {
    tunnel(Kind::ReqwestTlsH1).await;
    tunnel(Kind::ReqwestTlsH2).await;
}

#[tokio::test]
async fn reqwest_leaves_what_goes_to_http_to_the_proxy() {
    let kind = Kind::ReqwestH1;
    let (upstream, proxy) =
        (Upstream::start(options(kind), ok).await.unwrap(), Proxy::start().await.unwrap());
    let world = through(kind, &proxy, (&proxy).into());
    for _ in 0..5 {
        world.read(&upstream.url("/")).await;
    }
    assert_eq!((proxy.tunnels(), proxy.counts().requests(), upstream.counts().requests()), (0, 5, 5));
    of_the_origin(&world, &upstream).await;
    world.end(&[]).await;
}

fn through(kind: Kind, proxy: &Proxy, counted: Server) -> World {
    World::new(kind, Settings { proxy: Some(proxy.addr()), ..Settings::default() }, [counted])
}

/// A pool is named after the origin, and its connection is the one that the kernel has to the proxy.
async fn of_the_origin(world: &World, upstream: &Upstream) {
    let pool = world.settled().await.remove(0);
    assert_eq!((pool.host.as_str(), pool.port), ("127.0.0.1", upstream.addr().port()));
    assert_eq!((pool.opened, pool.open[0].requests), (1, 5));
    assert_eq!(world.held(), [pool.open[0].local.unwrap()]);
}
