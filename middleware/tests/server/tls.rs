//! TLS of our own: handshakes that succeed, that fail, that never end, and that are too many.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use poolscope::server::{ServerBuilder, TlsListener};
use poolscope::{DisconnectPhase, RejectReason, Scope, ServerCloseReason};
use rcgen::KeyPair;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::support::{Api, Raw, established, router};

const SOON: Duration = Duration::from_millis(150);

/// Both ends of TLS.
fn configs() -> (TlsAcceptor, TlsConnector) {
    let key = KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let provider = Arc::new(ring::default_provider());
    let server =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let chain = vec![certificate.der().clone()];
    let server = server.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let client = client.unwrap().with_root_certificates(roots).with_no_client_auth();
    (Arc::new(server).into(), Arc::new(client).into())
}

/// A server with TLS, under one of the loops.
async fn start(own: bool, options: impl FnOnce(ServerBuilder) -> ServerBuilder) -> (Api, TlsConnector) {
    let server = options(Scope::new().server("api")).build().unwrap();
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let (acceptor, connector) = configs();
    let listener: TlsListener<_> = server.listen(tcp).tls(acceptor);
    let serving = if own {
        tokio::spawn(server.serve(listener, router()))
    } else {
        let serve = axum::serve(listener, server.make_service(router()));
        let serve = serve.with_graceful_shutdown(server.shutting_down());
        tokio::spawn(async move { serve.await.unwrap() })
    };
    (Api { server, addr, serving }, connector)
}

async fn handshake(api: &Api, connector: &TlsConnector) -> TlsStream<TcpStream> {
    let name = ServerName::try_from("localhost").unwrap();
    connector.connect(name, TcpStream::connect(api.addr).await.unwrap()).await.unwrap()
}

#[tokio::test]
async fn handshakes_are_timed_and_bytes_are_those_above_tls() {
    for own in [false, true] {
        let (api, connector) = start(own, |server| server).await;
        // One that says nothing keeps nobody waiting.
        let silent = api.connect().await;
        let mut client = handshake(&api, &connector).await;
        let request = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
        client.write_all(request).await.unwrap();
        let mut answer = [0; 1_024];
        let read = client.read(&mut answer).await.unwrap();
        assert!(answer[..read].ends_with(b"hello"));
        let seen = api.until("the silent one", |seen| seen.queued == 1).await;
        assert_eq!((seen.scheme, seen.connections.idle, seen.present()), ("https", 1, 2));
        let (sent, received) = (seen.bytes[0].1, seen.bytes[1].1);
        assert_eq!((sent, received), (read as u64, request.len() as u64));
        let done = &seen.handshakes[0];
        assert_eq!((done.error_type, done.duration.count()), (None, 1));
        client.shutdown().await.unwrap();
        drop((client, silent));
        let seen = api.until("all to be closed", |seen| seen.accepted == 2 && seen.present() == 0).await;
        assert_eq!(seen.closed(ServerCloseReason::ClientClosed), 1);
        assert_eq!(seen.closed(ServerCloseReason::TlsHandshakeFailed), 1);
    }
}

#[tokio::test]
async fn a_handshake_that_fails_one_that_never_ends_and_those_that_are_too_many() {
    let (api, connector) = start(false, |server| server.handshake_timeout(SOON).max_handshakes(2)).await;
    let mut plain = api.connect().await;
    plain.get("/").await;
    let seen = api.closed(ServerCloseReason::TlsHandshakeFailed).await;
    assert_eq!(seen.handshakes[1].error_type.unwrap().as_str(), "tls");
    drop(plain);
    let [mut first, second] = [api.connect().await, api.connect().await];
    api.until("two handshakes", |seen| seen.queued == 2).await;
    let mut third = api.connect().await;
    assert_eq!(third.rest().await, b"");
    assert_eq!(api.seen().rejected(RejectReason::MaxHandshakes), 1);
    assert_eq!(first.rest().await, b"");
    let seen = api.until("both", |seen| seen.closed(ServerCloseReason::TlsHandshakeTimeout) == 2).await;
    assert_eq!(
        (seen.handshakes[2].duration.count(), seen.handshakes[2].error_type.unwrap().as_str()),
        (2, "timeout")
    );
    drop(second);
    handshake(&api, &connector).await;
}

#[tokio::test]
async fn a_client_that_leaves_within_an_answer_that_was_handed_out_whole() {
    for own in [false, true] {
        let (api, connector) = start(own, |server| server).await;
        let mut client = handshake(&api, &connector).await;
        client.write_all(b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        client.read_exact(&mut [0; 16]).await.unwrap();
        assert_eq!(api.seen().active_requests, 1);
        drop(client);
        let seen = api.until("the end", |seen| seen.present() == 0).await;
        assert_eq!((seen.disconnected(DisconnectPhase::Responding), seen.active_requests), (1, 0));
    }
}

#[tokio::test]
async fn what_is_no_tls_any_more_is_an_error() {
    let (api, connector) = start(true, |server| server).await;
    let mut client = handshake(&api, &connector).await;
    client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    client.read_exact(&mut [0; 16]).await.unwrap();
    let (mut tcp, _) = client.into_inner();
    tcp.write_all(&[0x17, 3, 3, 0, 32]).await.unwrap();
    tcp.write_all(&[9; 32]).await.unwrap();
    api.closed(ServerCloseReason::IoError).await;
}

#[tokio::test]
async fn a_shutdown_waits_for_no_handshake() {
    for own in [false, true] {
        let (api, connector) = start(own, |server| server).await;
        let mut silent: Raw = api.connect().await;
        let _idle = handshake(&api, &connector).await;
        api.until("both", |seen| (seen.queued, seen.connections.idle) == (1, 1)).await;
        api.server.close();
        assert_eq!(silent.rest().await, b"");
        api.server.all_ended().await;
        api.serving.await.unwrap();
        assert_eq!(api.server.snapshot().closed(ServerCloseReason::Shutdown), 2);
        assert_eq!(established(api.addr.port()), 0);
    }
}
