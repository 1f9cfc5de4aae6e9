//! The chat of the demo: guests who talk, listen, vanish without a word, come in crowds and leave early, and a bot whose
//! connection is kept alive.

use std::future::ready;
use std::panic::resume_unwind;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use poolscope::Scope;
use poolscope::session::Sessions;
use poolscope::supervisor::Supervised;
use poolscope::task::TaskGroup;
use poolscope::websocket::Socket;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tower::BoxError;

use crate::echo::{Echo, Settings};

/// Name of the bot, and of its sessions.
pub const BOT: &str = "chat bot";

/// Connections at a time: enough but when a crowd comes.
const MOST: usize = 24;

/// How long a chat lasts at most, so that the bot has to come again.
const LONGEST: Duration = Duration::from_secs(20);

/// Guests that come one after the other, those of a crowd, and how often it comes.
const GUESTS: usize = 8;
const CROWD: usize = 30;
const CROWD_EVERY: Duration = Duration::from_secs(20);

/// How often the greeter of the house panics.
const GREETS: Duration = Duration::from_secs(25);

type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The chat, its guests and its bot.
pub(super) struct Chats {
    echo: Echo,
    guests: JoinSet<()>,
    bot: Supervised<Message>,
    house: TaskGroup,
}

impl Chats {
    pub(super) async fn start(scope: &Scope) -> Result<Self, BoxError> {
        let settings = Settings {
            max_connections: MOST,
            max_duration: Some(LONGEST),
            patience: Duration::from_secs(3),
            log_every: Duration::from_millis(20),
            ..Settings::default()
        };
        let echo = Echo::start(scope, settings).await?;
        let url = format!("ws://{}/chat", echo.addr());
        let hello = format!("http://{}", echo.addr());
        let mut guests = JoinSet::new();
        for _ in 0..GUESTS {
            guests.spawn(visit_for_ever(url.clone()));
        }
        guests.spawn(come_in_crowds(url.clone()));
        guests.spawn(read_news_for_ever(format!("{hello}/news")));
        guests.spawn(ask_for_ever(hello));
        let house = scope.tasks("house");
        house.spawn("greeter", greet_for_ever(house.clone()));
        let bot = keep_bot(scope, url)?;
        Ok(Self { echo, guests, bot, house })
    }

    /// Sends the guests away, stops the bot, and then the chat.
    pub(super) async fn stop(&mut self) {
        self.guests.shutdown().await;
        self.bot.close();
        self.bot.ended().await;
        self.house.cancel();
        self.echo.stop().await;
    }
}

/// A bot that says something now and then.
fn keep_bot(scope: &Scope, url: String) -> Result<Supervised<Message>, BoxError> {
    let second = Duration::from_secs(1);
    let sessions = scope.sessions(BOT).liveness(2 * second, second, 2).build()?;
    let supervisor = scope.supervisor(BOT).backoff(second / 4, 5 * second).stable_after(5 * second);
    let bot = supervisor.start(move || come(url.clone(), sessions.clone()), |_: Message| ready(()))?;
    Ok(bot)
}

async fn come(url: String, sessions: Sessions) -> Result<Socket<WebSocket, Message>, Error> {
    let (mut stream, _) = connect_async(url).await?;
    stream.send(Message::text("the bot is here")).await?;
    let session = sessions.begin("bot").map_err(|error| Error::Io(std::io::Error::other(error)))?;
    Ok(Socket::new(stream, session))
}

/// Visits the chat again and again, each time in another way.
async fn visit_for_ever(url: String) {
    loop {
        // What goes wrong is what a guest comes for.
        let _ = visit(&url).await;
        sleep(Duration::from_millis(fastrand::u64(200..1_500))).await;
    }
}

async fn visit(url: &str) -> Result<(), Error> {
    let (mut socket, _) = connect_async(url).await?;
    match fastrand::u8(..4) {
        // Talks.
        0 | 1 => {
            for turn in 0..20 {
                socket.send(Message::text(format!("line {turn}"))).await?;
                socket.next().await;
                sleep(Duration::from_millis(150)).await;
            }
            socket.close(None).await
        }
        // Listens, and goes without a word.
        2 => {
            let _ = timeout(Duration::from_secs(5), async { while socket.next().await.is_some() {} }).await;
            Ok(())
        }
        // Vanishes: whoever asks it gets no answer.
        _ => {
            sleep(Duration::from_secs(6)).await;
            Ok(())
        }
    }
}

/// Many at once, for a moment: not all of them are let in.
async fn come_in_crowds(url: String) {
    loop {
        sleep(CROWD_EVERY).await;
        let mut crowd = JoinSet::new();
        for _ in 0..CROWD {
            let url = url.clone();
            crowd.spawn(async move {
                let (mut socket, _) = connect_async(&url).await?;
                for _ in 0..20 {
                    socket.send(Message::text("hello")).await?;
                }
                while let Some(message) = socket.next().await {
                    message?;
                }
                Ok::<_, Error>(())
            });
        }
        sleep(Duration::from_secs(2)).await;
        // They vanish together.
        drop(crowd);
    }
}

/// Reads the news for a while, goes, and comes again.
async fn read_news_for_ever(url: String) {
    let client = reqwest::Client::new();
    loop {
        let patience = Duration::from_millis(fastrand::u64(2_000..8_000));
        if let Ok(mut news) = client.get(&url).send().await {
            let _ = timeout(patience, async { while let Ok(Some(_)) = news.chunk().await {} }).await;
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Plain requests, some of which make the handler panic, and some of which are left before their answer.
async fn ask_for_ever(url: String) {
    let client = reqwest::Client::new();
    loop {
        let (path, patience) = match fastrand::u8(..20) {
            0 => ("/panic", 1_000),
            1 | 2 => ("/never", 200),
            3 => ("/large", 1_000),
            _ => ("/hello", 1_000),
        };
        let asked = client.get(format!("{url}{path}")).timeout(Duration::from_millis(patience)).send().await;
        if let Ok(answer) = asked {
            let _ = answer.bytes().await;
        }
        sleep(Duration::from_millis(fastrand::u64(50..250))).await;
    }
}

/// Greets for a while, panics, and is replaced.
async fn greet_for_ever(house: TaskGroup) {
    loop {
        let greets = house.spawn("greets", async {
            sleep(GREETS).await;
            // As a panic does, but for its message on the terminal.
            resume_unwind(Box::new("the greeter has lost the list of guests"))
        });
        let _: Result<(), _> = greets.await;
    }
}
