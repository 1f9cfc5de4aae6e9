//! The end of a client, and of the runtime that it lives in.

use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use poolscope_tests::client::{Body, Client, Settings};
use poolscope_tests::upstream::{Reply, Upstream, answer};
use poolscope_tests::wait;
use tokio::runtime::Runtime;

use super::reasons::Why;
use super::{Kind, World, for_clients, options, slow};

for_clients!(client_dropped: all);
for_clients!(body_dropped_before_its_client: http1);
for_clients!(body_dropped_after_its_client: http1);
for_clients!(idle_runtime_shut_down: all);
for_clients!(busy_runtime_shut_down: all);

async fn client_dropped(kind: Kind) {
    let upstream = Upstream::start(options(kind), handler).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let client = Client::new(&world.scope, kind, Settings::default()).unwrap();
    // Streams share one.
    let open = if kind.is_http2() { 1 } else { 3 };
    let calls: Vec<_> = (0..open)
        .map(|_| {
            let (client, url) = (client.clone(), upstream.url("/slow"));
            tokio::spawn(async move { client.read(&url).await.unwrap() })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(world.settled().await[0].counts().idle, open);
    let mut body = client.get(&upstream.url("/big")).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(client);
    // What is in use may end.
    world.until_held(1).await;
    let pool = world.pool();
    assert_eq!((pool.in_flight(), pool.counts().active), (1, 1));
    body.collect().await.unwrap();
    world.until_held(0).await;
    world.end(&[(Why::ClientGone, open - 1), (Why::ClientGoneActive, 1)]).await;
}

async fn body_dropped_before_its_client(kind: Kind) {
    ends_for_its_body(kind, |body, client| {
        drop(body);
        drop(client);
    })
    .await;
}

/// The client was gone already, and was not what ended the connection.
async fn body_dropped_after_its_client(kind: Kind) {
    ends_for_its_body(kind, |body, client| {
        drop(client);
        drop(body);
    })
    .await;
}

async fn ends_for_its_body(kind: Kind, end: fn(Body, Client)) {
    let upstream = Upstream::start(options(kind), handler).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let client = Client::new(&world.scope, kind, Settings::default()).unwrap();
    let mut body = client.get(&upstream.url("/big")).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    end(body, client);
    world.until_held(0).await;
    world.end(&[(Why::BodyDropped, 1)]).await;
}

async fn idle_runtime_shut_down(kind: Kind) {
    let upstream = Upstream::start(options(kind), handler).await.unwrap();
    let world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let client = Client::new(&world.scope, kind, Settings::default()).unwrap();
    let runtime = Runtime::new().unwrap();
    let (used, url) = (client.clone(), upstream.url("/"));
    runtime.spawn(async move { used.read(&url).await.unwrap() }).await.unwrap();
    world.settled().await;
    shut_down(runtime).await;
    world.until_held(0).await;
    world.end(&[(Why::RuntimeGone, 1)]).await;
    // Only the runtime ended before.
    drop(client);
}

async fn busy_runtime_shut_down(kind: Kind) {
    let upstream = Upstream::start(options(kind), handler).await.unwrap();
    let mut world = World::new(kind, Settings::default(), [(&upstream).into()]);
    let client = Client::new(&world.scope, kind, Settings::default()).unwrap();
    let runtime = Runtime::new().unwrap();
    // The one that leaves an idle connection comes last, so that no connect is under way that nobody waits for.
    for (path, arrived) in [("/never", 1), ("/big", 2), ("/", 3)] {
        let (client, url) = (client.clone(), upstream.url(path));
        runtime.spawn(async move {
            let mut body = client.get(&url).await.unwrap().into_body();
            body.frame().await.unwrap().unwrap();
            // Holds what is left until the runtime drops it.
            std::future::pending::<()>().await;
        });
        wait::until("it to arrive", async || upstream.counts().requests(), |count| *count == arrived).await;
    }
    wait::until(
        "two responses",
        async || world.pool(),
        |pool| pool.results.iter().any(|row| row.status.is_some() && row.duration.count() == 2),
    )
    .await;
    world.gives_up(1);
    shut_down(runtime).await;
    world.until_held(0).await;
    // Which task a runtime drops first decides which of two true reasons is told; the counts must be right.
    world.end_by_any_of(&[Why::RuntimeGone, Why::BodyDropped, Why::RequestDropped]).await;
    drop(client);
}

/// A runtime can't be dropped where others run.
async fn shut_down(runtime: Runtime) {
    tokio::task::spawn_blocking(move || drop(runtime)).await.unwrap();
}

async fn handler(request: Request<Incoming>) -> Reply {
    match request.uri().path() {
        "/big" => answer(StatusCode::OK, vec![b'x'; 8 << 20]),
        "/never" => std::future::pending().await,
        "/slow" => slow(request).await,
        _ => answer(StatusCode::OK, "hello"),
    }
}
