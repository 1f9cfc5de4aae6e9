//! Connections that leave HTTP.

use std::io;
use std::time::Duration;

use poolscope::server::ServerBuilder;
use poolscope::{Scope, ServerCloseReason};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::support::{Api, PATIENCE, Raw};

const SOON: Duration = Duration::from_millis(150);

async fn upgraded(scope: &Scope, own: bool, options: impl Fn(ServerBuilder) -> ServerBuilder) -> (Api, Raw) {
    let api = if own { Api::start_own(scope, options).await } else { Api::start(scope, options).await };
    let mut client = api.connect().await;
    client.send("GET /upgrade HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await;
    assert!(client.read_to("\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    client.send("ping").await;
    assert_eq!(client.read_to("ping").await, "ping");
    (api, client)
}

#[tokio::test]
async fn it_lives_on_uncut_and_is_counted_until_it_ends() {
    for own in [false, true] {
        let options = |server: ServerBuilder| server.idle_timeout(SOON).max_age(SOON).drain_timeout(SOON);
        let (api, mut client) = upgraded(&Scope::new(), own, options).await;
        tokio::time::sleep(SOON * 4).await;
        client.send("still here").await;
        client.read_to("still here").await;
        let seen = api.seen();
        assert_eq!((seen.connections.upgraded, seen.upgraded, seen.active_requests), (1, 1, 0));
        let text = ("ping".len() + "still here".len()) as u64;
        assert!(seen.bytes.iter().all(|(_, bytes)| *bytes > text), "{:?}", seen.bytes);
        drop(client);
        api.closed(ServerCloseReason::UpgradeEnded).await;
    }
}

/// Sends until nothing goes any more, since nobody reads what comes back.
async fn flood(client: &Raw) -> usize {
    let mut sent = 0;
    while timeout(SOON, client.0.writable()).await.is_ok() {
        match client.0.try_write(&[b'x'; 65_536]) {
            Ok(more) => sent += more,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // The server has ended it.
            Err(_) => break,
        }
    }
    sent
}

#[tokio::test]
async fn one_that_reads_nothing_for_long_is_ended_only_where_that_is_wanted() {
    for own in [false, true] {
        let options = |server: ServerBuilder| server.write_timeout(SOON);
        let (api, mut client) = upgraded(&Scope::new(), own, options).await;
        let mut left = flood(&client).await;
        tokio::time::sleep(SOON * 8).await;
        let mut buf = vec![0; 1 << 20];
        while left > 0 {
            let most = left.min(buf.len());
            left -= timeout(PATIENCE, client.0.read(&mut buf[..most])).await.unwrap().unwrap();
        }
        assert_eq!(api.seen().connections.upgraded, 1);

        let options = |server: ServerBuilder| server.write_timeout(SOON).ends_upgraded(true);
        let (api, client) = upgraded(&Scope::new(), own, options).await;
        flood(&client).await;
        api.closed(ServerCloseReason::WriteTimeout).await;
    }
}

#[tokio::test]
async fn it_ends_for_what_it_is_asked_to() {
    for own in [false, true] {
        let idle = |server: ServerBuilder| server.idle_timeout(SOON).ends_upgraded(true);
        let (api, mut client) = upgraded(&Scope::new(), own, idle).await;
        assert_eq!(client.rest().await, b"");
        api.closed(ServerCloseReason::IdleTimeout).await;

        let (api, client) = upgraded(&Scope::new(), own, |server| server).await;
        socket2::SockRef::from(&client.0).set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        api.closed(ServerCloseReason::ClientReset).await;

        let scope = Scope::new();
        let (api, mut client) = upgraded(&scope, own, |server| server).await;
        let report = scope.shutdown(SOON).await;
        assert_eq!((report.connections_cut, report.connections_left), (1, 0), "{report}");
        assert_eq!(client.until_reset().await, b"");
        api.closed(ServerCloseReason::ShutdownCut).await;
        api.serving.await.unwrap();
    }
}
