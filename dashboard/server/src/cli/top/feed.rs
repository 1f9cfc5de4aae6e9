//! Follows the live stream, and comes back to it when it is lost.

use poolscope_wire::ServerMessage;
use tokio::sync::mpsc;
use tokio::time::{Duration, sleep};

use crate::cli::client::{Client, Stream};

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What the feed tells.
#[derive(Debug)]
pub(super) enum News {
    Message(Box<ServerMessage>),
    /// The stream is lost, and why; it is tried again.
    Lost(String),
}

/// Tells what comes, for as long as somebody listens. Who draws slowly makes the server send less, not this buffer grow.
pub(super) fn start(client: Client, first: Stream) -> mpsc::Receiver<News> {
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        let mut stream = Some(first);
        let mut pause = FIRST_PAUSE;
        loop {
            let opened = match stream.take() {
                Some(stream) => Ok(stream),
                // Another version may have come back.
                None => match client.status().await {
                    Ok(_) => client.stream().await,
                    Err(problem) => Err(problem),
                },
            };
            let problem = match opened {
                Err(problem) => problem,
                Ok(mut stream) => loop {
                    match stream.next().await {
                        Err(problem) => break problem,
                        Ok(message) => {
                            pause = FIRST_PAUSE;
                            if sender.send(News::Message(Box::new(message))).await.is_err() {
                                return;
                            }
                        }
                    }
                },
            };
            if sender.send(News::Lost(problem.to_string())).await.is_err() {
                return;
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = sender.closed() => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    });
    receiver
}

#[cfg(test)]
mod tests;
