//! A trace shows the request that opened a WebSocket, and beneath it the session.

use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::get;
use futures_util::{SinkExt, StreamExt};
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use poolscope::Scope;
use poolscope::session::Sessions;
use poolscope::websocket::Socket;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite;

use super::{alone, connect, until};

fn echo(sessions: &Sessions) -> Router {
    let sessions = sessions.clone();
    let upgrade = move |upgrade: WebSocketUpgrade| async move {
        let session = sessions.begin("room 7").unwrap();
        upgrade.on_upgrade(async move |socket: WebSocket| {
            let echoes = session.run(async |session| {
                let mut socket: Socket<_, Message> = Socket::new(socket, session);
                while let Some(message) = socket.recv().await {
                    socket.send(message).await.unwrap();
                }
                socket.finish().await
            });
            echoes.await.unwrap();
        })
    };
    Router::new().route("/", get(upgrade))
}

#[test]
fn a_session_is_below_the_request_that_opened_it() {
    alone(async {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let scope = Scope::new();
        assert!(scope.set_tracer_provider(&provider));
        let sessions = scope.sessions("chat").build().unwrap();
        let server = scope.server("api").build().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let make = server.make_service(echo(&sessions));
        let serving = tokio::spawn(axum::serve(server.listen(listener), make).into_future());

        let mut client = connect(address).await;
        client.send(tungstenite::Message::text("hello")).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap().to_text().unwrap(), "hello");
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.close(None).await.unwrap();
        until("the session to be gone", || sessions.active() == 0).await;
        serving.abort();

        let spans = exporter.get_finished_spans().unwrap();
        let of = |kind: SpanKind| -> &SpanData {
            let mut all = spans.iter().filter(|span| span.span_kind == kind);
            let one = all.next().unwrap();
            assert!(all.next().is_none(), "{spans:?}");
            one
        };
        let (request, session) = (of(SpanKind::Server), of(SpanKind::Internal));
        assert_eq!(session.name, "session chat");
        assert_eq!(session.parent_span_id, request.span_context.span_id());
        assert!(session.start_time >= request.start_time && session.end_time > request.end_time);
        assert!(session.end_time.duration_since(session.start_time).unwrap() >= Duration::from_millis(100));
    });
}
