//! Requests that their callers give up, before and after they have a connection.

use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt;
use poolscope_semconv::value::{AcquireOutcome, ErrorType};
use poolscope_tests::client::Settings;
use poolscope_tests::deaf::Deaf;
use poolscope_tests::upstream::{Upstream, answer, answer_without_end};
use poolscope_tests::wait;

use super::reasons::Why;
use super::world::Server;
use super::{Kind, World, for_clients, options};

for_clients!(canceled_while_it_connects: all);
for_clients!(canceled_in_the_tls_handshake: all);
for_clients!(canceled_after_acquire: all);
for_clients!(panic_of_the_caller: all);
for_clients!(timeout_of_the_client_itself: http1);

async fn canceled_while_it_connects(kind: Kind) {
    let server = Deaf::full().await.unwrap();
    // The kernel is not asked: those who fill the queue are this process's too.
    cancel(kind, &server, []).await;
}

async fn canceled_in_the_tls_handshake(kind: Kind) {
    if kind.is_tls() {
        let server = Deaf::silent().await.unwrap();
        cancel(kind, &server, [Server::at(server.addr().unwrap())]).await;
    }
}

async fn cancel(kind: Kind, server: &Deaf, servers: impl IntoIterator<Item = Server>) {
    let world = World::new(kind, Settings::default(), servers);
    let scheme = if kind.is_tls() { "https" } else { "http" };
    let url = format!("{scheme}://{}/", server.addr().unwrap());
    let call = tokio::time::timeout(Duration::from_millis(150), world.client.get(&url)).await;
    assert!(call.is_err());
    let pool = world.settled().await.remove(0);
    assert_eq!((pool.outcome(AcquireOutcome::Canceled), pool.acquired, pool.opened), (1, 0, 0));
    assert_eq!(pool.results[0].error_type, Some(ErrorType::Canceled));
    world.until_held(0).await;
    world.end(&[]).await;
}

async fn canceled_after_acquire(kind: Kind) {
    let upstream = Upstream::start(options(kind), |_| std::future::pending()).await.unwrap();
    let mut world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let (client, url) = (world.client.clone(), upstream.url("/"));
    let call = tokio::spawn(async move { client.get(&url).await.map(drop) });
    wait::until("the request to arrive", async || upstream.counts().requests(), |count| *count == 1).await;
    assert_eq!((world.pool().in_flight(), world.pool().counts().active), (1, 1));
    world.gives_up(1);
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    // Of HTTP/2 only a stream is given up.
    let kept = u64::from(kind.is_http2());
    world.until_held(kept as usize).await;
    let pool = world.settled().await.remove(0);
    assert_eq!((pool.acquired, pool.released, pool.counts().idle), (1, 1, kept));
    let [new, waited] = [AcquireOutcome::New, AcquireOutcome::Waited].map(|outcome| pool.outcome(outcome));
    if kind.is_reqwest() {
        // Which connection it had, the answer would have told. Unless there is no other one that it can have had, it is
        // only known that it waited for it.
        assert_eq!(new + waited, 1, "{:?}", pool.acquires);
    } else {
        assert_eq!((new, waited), (1, 0), "{:?}", pool.acquires);
    }
    assert_eq!((pool.results.len(), pool.results[0].error_type), (1, Some(ErrorType::Canceled)));
    assert_eq!(pool.wasted, 0);
    world.end(&[(Why::RequestDropped, 1 - kept)]).await;
}

async fn panic_of_the_caller(kind: Kind) {
    let big = |_| async { answer(StatusCode::OK, vec![b'x'; 8 << 20]) };
    let upstream = Upstream::start(options(kind), big).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let (client, url) = (world.client.clone(), upstream.url("/"));
    let caller = tokio::spawn(async move {
        let _response = client.get(&url).await.unwrap();
        panic!("the caller fails while it holds a response");
    });
    assert!(caller.await.unwrap_err().is_panic());
    if kind.is_http2() {
        world.end_with(&[], Why::ClientGoneAfterHalfReadStream).await;
    } else {
        world.until_held(0).await;
        world.end(&[(Why::BodyDropped, 1)]).await;
    }
}

/// reqwest has a limit of its own below the layers, which drops a request like a caller does.
async fn timeout_of_the_client_itself(kind: Kind) {
    if !kind.is_reqwest() {
        return;
    }
    let upstream = Upstream::start(options(kind), |request| async move {
        if request.uri().path() == "/never" {
            std::future::pending::<()>().await;
        }
        answer_without_end(Duration::from_secs(1))
    })
    .await
    .unwrap();
    let settings = Settings { timeout: Some(Duration::from_secs(1)), ..Settings::default() };
    let mut world = World::new(kind, settings, [(&upstream).into()]);
    world.gives_up(1);
    world.client.get(&upstream.url("/never")).await.unwrap_err();
    world.until_held(0).await;
    let mut body = world.client.get(&upstream.url("/endless")).await.unwrap().into_body();
    while let Some(Ok(_)) = body.frame().await {}
    drop(body);
    world.until_held(0).await;
    let pool = world.settled().await.remove(0);
    assert_eq!((pool.opened, pool.wasted), (2, 0));
    world.end(&[(Why::RequestDropped, 1), (Why::BodyDropped, 1)]).await;
}
