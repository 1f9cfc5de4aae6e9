//! The worker of spans or of events: puts what waits together and sends it.

use std::sync::Arc;

use prost::Message;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::command::Task;
use super::pace::MAX_PAUSE;
use super::queue::Queue;
use super::sender::Sender;

/// Sends the items of a queue.
#[derive(Debug)]
pub(super) struct Batcher<T, F> {
    pub(super) queue: Arc<Queue<T>>,
    pub(super) sender: Sender,
    /// Makes one message of many items.
    pub(super) encode: F,
}

impl<T, M: Message, F: Fn(Vec<T>) -> M> Batcher<T, F> {
    /// Sends until it is told to finish.
    pub(super) async fn run(mut self, mut tasks: mpsc::UnboundedReceiver<Task>) {
        let mut not_before = Instant::now();
        loop {
            let task = tokio::select! {
                task = tasks.recv() => task,
                () = self.due(not_before) => {
                    self.send_batch(&mut not_before).await;
                    continue;
                }
            };
            match task {
                Some(Task::Flush(token)) => {
                    // What comes while it flushes is for the next one, so that a flush ends.
                    let mut left = self.queue.len();
                    while left > 0 {
                        let sent = self.send_batch(&mut not_before).await;
                        left = if sent == 0 { 0 } else { left.saturating_sub(sent) };
                    }
                    drop(token);
                }
                Some(Task::Finish) | None => {
                    self.queue.close();
                    while self.queue.len() > 0 && !self.sender.is_over() {
                        self.send_batch(&mut not_before).await;
                    }
                    self.queue.end();
                    return;
                }
            }
        }
    }

    /// Waits until there is a batch, and as long as the receiver asked for.
    async fn due(&self, not_before: Instant) {
        sleep_until(not_before).await;
        self.queue.due().await;
    }

    async fn send_batch(&mut self, not_before: &mut Instant) -> usize {
        let items = self.queue.take();
        let count = items.len();
        if count > 0 {
            let outcome = self.sender.send(&(self.encode)(items), count).await;
            if let Some(pause) = outcome.pause {
                *not_before = Instant::now() + pause.min(MAX_PAUSE);
            }
        }
        count
    }
}

impl<T, F> Drop for Batcher<T, F> {
    /// Whatever ends the worker, what it leaves is counted.
    fn drop(&mut self) {
        self.queue.end();
    }
}
