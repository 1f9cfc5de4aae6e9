//! Connections that leave HTTP.

use std::time::Duration;

use poolscope::server::ServerBuilder;
use poolscope::{Scope, ServerCloseReason};

use crate::support::{Api, Raw};

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
        assert_eq!(client.rest().await, b"");
        api.closed(ServerCloseReason::ShutdownCut).await;
        api.serving.await.unwrap();
    }
}
