//! A pool composed of `hyper_util::client::pool`, observed: who waits at its cap, and why its connections close.
//!
//! ```text
//! cargo run -p poolscope --features hyper --example composable_pool
//! ```
#![expect(clippy::print_stdout, reason = "the example shows what it sees")]

mod pool;

use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use http::Request;
use http_body_util::BodyExt;
use poolscope::Scope;
use tokio::sync::Semaphore;
use tower::{Service, ServiceExt};

/// Idle connections are closed after this time.
const IDLE_TIMEOUT: Duration = Duration::from_millis(400);

#[tokio::main]
async fn main() -> Result<(), pool::BoxError> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let slow = get(|| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        "hello"
    });
    tokio::spawn(axum::serve(listener, axum::Router::new().route("/", slow)).into_future());

    let scope = Scope::new();
    let limits = pool::Limits { room: Arc::new(Semaphore::new(3)), idle_timeout: IDLE_TIMEOUT };
    let client = pool::pool(&scope.client("example"), limits);
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let (mut client, url) = (client.clone(), url.clone());
            tokio::spawn(async move {
                let request = Request::get(url).body(pool::Sent::default())?;
                let response = client.ready().await?.call(request).await?;
                response.into_body().collect().await?;
                Ok::<_, pool::BoxError>(())
            })
        })
        .collect();

    tokio::time::sleep(Duration::from_millis(50)).await;
    print("8 requests, room for 3 connections", &scope);
    for call in calls {
        call.await??;
    }
    print("all answered", &scope);
    tokio::time::sleep(IDLE_TIMEOUT * 2).await;
    print("idle for longer than the pool keeps connections", &scope);
    Ok(())
}

fn print(when: &str, scope: &Scope) {
    for pool in scope.snapshot().pools {
        println!("{when}:");
        println!("  connections  {:?}", pool.counts());
        println!("  requests     {} wait, {} in flight", pool.pending(), pool.in_flight());
        for (outcome, count) in pool.acquires.iter().filter(|(_, count)| *count > 0) {
            println!("  acquired     {count} {outcome}");
        }
        for (reason, certainty, count) in &pool.closed {
            println!("  closed       {count} {reason} ({certainty})");
        }
    }
}
