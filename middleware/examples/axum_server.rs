//! A server on axum that is watched, bounded, and ends in order.
//!
//! `cargo run -p poolscope --features axum,shutdown --example axum_server`
//!
//! It asks itself for a few things, shows what it saw, and tells how it ended. With `-- --stay` it serves until Ctrl-C, or until
//! it is told to terminate, as containers are.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::future::IntoFuture;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use poolscope::Scope;
use poolscope::server::RouteLayer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How long requests have when the program is to end.
const DEADLINE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let scope = Scope::new();
    let server = scope
        .server("api")
        .max_connections(1_000)
        .idle_timeout(Duration::from_secs(60))
        .max_age(Duration::from_secs(10 * 60))
        .build()?;
    let router = Router::new()
        .route("/orders/{id}", get(|Path(id): Path<u64>| async move { format!("order {id}\n") }))
        // Tells which route a request matched.
        .layer(RouteLayer);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let addr = listener.local_addr()?;
    println!("listening on http://{addr}/orders/1");
    let serve = axum::serve(server.listen(listener), server.make_service(router));
    let serving = tokio::spawn(serve.with_graceful_shutdown(server.shutting_down()).into_future());

    if std::env::args().any(|arg| arg == "--stay") {
        told_to_end().await?;
    } else {
        ask(addr).await?;
    }
    let seen = server.snapshot();
    println!("{} connections, {} requests:", seen.accepted, seen.requests);
    for row in &seen.results {
        let (route, result) = (row.route.as_deref().unwrap_or("no route"), &row.result);
        println!("  {} {route} {:?}: {}", result.method, result.status, result.duration.count());
    }

    let report = scope.shutdown(DEADLINE).await;
    serving.await??;
    println!("{report}");
    Ok(())
}

/// Returns when somebody wants the program to end.
async fn told_to_end() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// Three requests over one connection.
async fn ask(addr: std::net::SocketAddr) -> std::io::Result<()> {
    let mut client = TcpStream::connect(addr).await?;
    for path in ["/orders/1", "/orders/2", "/nothing"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {addr}\r\n\r\n");
        client.write_all(request.as_bytes()).await?;
        let mut answer = [0; 1_024];
        let read = client.read(&mut answer).await?;
        println!("{path}: {}", String::from_utf8_lossy(&answer[..read]).lines().next().unwrap_or_default());
    }
    Ok(())
}
