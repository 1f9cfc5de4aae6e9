//! Connections that leave HTTP: by a 101, and by CONNECT.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use poolscope::ConnectionCounts;
use poolscope_tests::client::{Body, Settings};
use poolscope_tests::upstream::{Reply, Upstream, answer, switch_protocols};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};

use super::reasons::Why;
use super::{Kind, World, for_clients, options};

for_clients!(switch: http1);
for_clients!(connect: hyper_http1);

async fn switch(kind: Kind) {
    let upstream = Upstream::start(options(kind), echo).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let response = world.client.send(switch_request(&upstream.url("/"))).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    talk(&world, response).await;
    world.end(&[(Why::UpgradeEnded, 1)]).await;
}

async fn connect(kind: Kind) {
    if kind.is_tls() {
        // hyper's client takes the form of a CONNECT, which names no scheme, for plain HTTP.
        return;
    }
    let upstream = Upstream::start(options(kind), echo).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let request = Request::connect(upstream.addr().to_string()).body(Bytes::new()).unwrap();
    let response = world.client.send(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    talk(&world, response).await;
    world.end(&[(Why::UpgradeEnded, 1)]).await;
}

/// Asks to switch to the protocol of [`echo`].
pub(super) fn switch_request(url: &str) -> Request<Bytes> {
    let request = Request::get(url).header(header::CONNECTION, "upgrade").header(header::UPGRADE, "echo");
    request.body(Bytes::new()).unwrap()
}

/// Uses what the connection has become, and drops it.
pub(super) async fn talk(world: &World, response: Response<Body>) {
    let mut upgraded = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    for _ in 0..3 {
        upgraded.write_all(b"to and fro").await.unwrap();
        let mut back = [0; 10];
        upgraded.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"to and fro");
    }
    let pool = world.settled().await.remove(0);
    assert_eq!((world.held().len(), pool.opened, pool.in_flight()), (1, 1, 0));
    assert_eq!(pool.counts(), ConnectionCounts { upgraded: 1, ..ConnectionCounts::default() });
    assert_eq!(pool.open[0].local, Some(world.held()[0]));
    drop(upgraded);
    world.until_held(0).await;
}

pub(super) async fn echo(request: Request<Incoming>) -> Reply {
    let reply = match request.method() {
        &Method::CONNECT => answer(StatusCode::OK, ""),
        _ => switch_protocols(request.headers()),
    };
    tokio::spawn(async move {
        let upgraded: Upgraded = hyper::upgrade::on(request).await?;
        let (mut reader, mut writer) = split(TokioIo::new(upgraded));
        // Until the other side has had enough.
        let _ = copy(&mut reader, &mut writer).await;
        Ok::<_, hyper::Error>(())
    });
    reply
}
