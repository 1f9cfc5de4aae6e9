//! A chat service over axum, on a server of its own: WebSockets that give everything back, streams of events, and requests
//! that go wrong. Its clients vanish, and nothing of them is to stay.

use std::convert::Infallible;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::resume_unwind;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use poolscope::Scope;
use poolscope::queue::{DropPolicy, QueueReceiver, QueueSender};
use poolscope::server::{RouteLayer, Server};
use poolscope::session::{Session, Sessions};
use poolscope::task::TaskGroup;
use poolscope::websocket::Socket;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tower::BoxError;

/// Name of the server, of its tasks, and of the queue of what was said.
pub const NAME: &str = "chat";

/// Name of its WebSockets.
pub const CHATS: &str = "chats";

/// Name of its streams of events.
pub const STREAMS: &str = "news";

/// Messages that wait to be written down, at most.
const LOG: usize = 64;

/// Messages of one chat that wait to be noted, at most.
const NOTES: usize = 8;

/// From one piece of news to the next.
const TICK: Duration = Duration::from_millis(100);

/// How large a piece of news is: who does not read has its buffers full soon.
const NEWS: usize = 4 << 10;

/// How large the messages of a chat are that never stops talking.
const FLOOD: usize = 16 << 10;

/// How long a client may take to read what it is told.
const SLOWEST_WRITE: Duration = Duration::from_secs(2);

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Most connections.
    pub max_connections: usize,
    /// How long nothing may come of a client before it is asked, how long it may take to answer, and how often it may not.
    pub liveness: (Duration, Duration, u32),
    /// How long a chat may last.
    pub max_duration: Option<Duration>,
    /// How long a connection may be idle, the head of a request may take, and a client may not read or write.
    pub patience: Duration,
    /// How long a message takes to be written down.
    pub log_every: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            liveness: (Duration::from_secs(1), Duration::from_millis(500), 2),
            max_duration: None,
            patience: Duration::from_secs(2),
            log_every: Duration::from_millis(1),
        }
    }
}

/// A chat service that runs, and what it counts while it rests.
#[derive(Debug)]
pub struct Echo {
    addr: SocketAddr,
    server: Server,
    tasks: TaskGroup,
    served: Option<JoinHandle<std::io::Result<()>>>,
    _chat: Chat,
}

#[derive(Debug, Clone)]
struct Chat {
    chats: Sessions,
    streams: Sessions,
    said: QueueSender<Bytes>,
}

impl Echo {
    /// Starts it on a free port of the loopback.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start(scope: &Scope, settings: Settings) -> Result<Self, BoxError> {
        let Settings { max_connections, liveness, max_duration, patience, log_every } = settings;
        let (interval, timeout, failures) = liveness;
        let sessions = |name: &str| {
            scope.sessions(name).max_sessions(max_connections).overdue_after(Duration::from_secs(1))
        };
        let chats = sessions(CHATS).liveness(interval, timeout, failures).idle_timeout(None);
        let chats = chats.max_duration(max_duration).build()?;
        let streams = sessions(STREAMS).idle_timeout(patience).build()?;
        let (said, log) = scope.queue(NAME, LOG, DropPolicy::Oldest);
        let tasks = scope.tasks(NAME);
        tasks.spawn("log", write_down(log, log_every));
        let server = scope
            .server(NAME)
            .max_connections(max_connections)
            .idle_timeout(patience)
            .headers_timeout(patience)
            .read_timeout(patience)
            .write_timeout(patience)
            .keepalive(patience)
            .build()?;
        let listener = server.listen(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?);
        let addr = listener.local_addr()?;
        let chat = Chat { chats, streams, said };
        let routes = Router::new()
            .route("/chat", get(talk))
            .route("/flood", get(flood))
            .route("/news", get(news))
            .route("/hello", get(async || "hello"))
            .route("/large", get(async || vec![b'x'; 4 << 20]))
            .route("/upload", post(async |body: Bytes| body.len().to_string()))
            .route("/panic", get(panics))
            .route("/never", get(async || pending::<&'static str>().await))
            .layer(RouteLayer)
            .with_state(chat.clone());
        let serve = axum::serve(listener, server.make_service(routes));
        let serve = serve.with_graceful_shutdown(server.shutting_down());
        Ok(Self { addr, server, tasks, served: Some(tokio::spawn(serve.into_future())), _chat: chat })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Accepts no more, waits until the server has ended, and ends its tasks.
    pub async fn stop(&mut self) {
        self.server.close();
        if let Some(served) = self.served.take() {
            let _ = served.await;
        }
        self.tasks.cancel();
    }
}

/// Writes down what is said, slowly.
async fn write_down(mut log: QueueReceiver<Bytes>, every: Duration) {
    while log.recv().await.is_some() {
        tokio::time::sleep(every).await;
    }
}

/// As a panic does, but for its message on the terminal.
async fn panics() -> Response {
    resume_unwind(Box::new("a handler that panics"))
}

async fn talk(State(state): State<Chat>, upgrade: WebSocketUpgrade) -> Response {
    upgraded(&state.chats.clone(), upgrade, async move |mut socket| {
        let (notes, mut taken) = mpsc::channel(NOTES);
        let said = state.said;
        // What was said is written down beside the talk, and no longer than that lasts.
        socket.session().spawn("notes", async move {
            while let Some(note) = taken.recv().await {
                let _ = said.push(note);
            }
        });
        while let Some(message) = socket.recv().await {
            if let Message::Text(text) = &message {
                let _ = notes.try_send(Bytes::from(text.clone()));
            }
            if socket.send(message).await.is_err() {
                break;
            }
        }
        socket.finish().await;
    })
}

/// Says more than anybody reads.
async fn flood(State(state): State<Chat>, upgrade: WebSocketUpgrade) -> Response {
    upgraded(&state.chats, upgrade, async |socket| {
        let mut socket = socket.write_timeout(SLOWEST_WRITE);
        while socket.send(Message::Binary(Bytes::from_static(&[b'x'; FLOOD]))).await.is_ok() {}
        socket.finish().await;
    })
}

/// Begins a session, and then the WebSocket that it is of; refuses by a status while that can be read.
fn upgraded<F: Future<Output = ()> + Send + 'static>(
    sessions: &Sessions,
    upgrade: WebSocketUpgrade,
    serve: impl FnOnce(Socket<WebSocket, Message>) -> F + Send + 'static,
) -> Response {
    match sessions.begin("guest") {
        Ok(session) => upgrade.on_upgrade(async move |socket| {
            // One that was cut is counted; there is nobody to tell.
            let _ = session.run(|session| serve(Socket::new(socket, session))).await;
        }),
        Err(refused) => (StatusCode::SERVICE_UNAVAILABLE, refused.to_string()).into_response(),
    }
}

/// A stream of events, for as long as somebody reads it.
async fn news(State(state): State<Chat>) -> Response {
    let session = match state.streams.begin("reader") {
        Ok(session) => session,
        Err(refused) => return (StatusCode::SERVICE_UNAVAILABLE, refused.to_string()).into_response(),
    };
    let (events, body) = mpsc::channel(1);
    tokio::spawn(session.run(|session| tell(session, events)));
    let body = Body::from_stream(ReceiverStream::new(body).map(Ok::<Bytes, Infallible>));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

async fn tell(session: Session, events: mpsc::Sender<Bytes>) {
    loop {
        let event = Bytes::from(format!("data: {:width$}\n\n", "nothing new", width = NEWS));
        let size = event.len();
        tokio::select! {
            _ = session.ended() => break,
            sent = events.send(event) => match sent {
                Ok(()) => {
                    session.sent(size);
                    session.touch();
                }
                Err(_) => break,
            },
        }
        tokio::select! {
            _ = session.ended() => break,
            () = events.closed() => break,
            () = tokio::time::sleep(TICK) => {}
        }
    }
    session.complete();
}
