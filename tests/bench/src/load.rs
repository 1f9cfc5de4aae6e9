//! The work: requests, a fixed number of them at a time.

use std::future::Future;
use std::pin::Pin;

use anyhow::{Context as _, Result};

/// A client that does one request and reads the answer to its end.
pub(crate) trait Target: Clone + Send + 'static {
    /// One request.
    fn request(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// Does so many requests.
pub(crate) type Round = Box<dyn Fn(usize) -> Pin<Box<dyn Future<Output = Result<()>>>>>;

/// Rounds over one target, with so many tasks that each do one request after the other.
pub(crate) fn rounds<T: Target>(target: T, concurrency: usize) -> Round {
    Box::new(move |requests| {
        let target = target.clone();
        Box::pin(async move {
            let tasks: Vec<_> = (0..concurrency)
                .map(|task| {
                    let share = requests / concurrency + usize::from(task < requests % concurrency);
                    tokio::spawn(one_after_the_other(target.clone(), share))
                })
                .collect();
            for task in tasks {
                task.await.context("a task of the client has panicked")??;
            }
            Ok(())
        })
    })
}

async fn one_after_the_other(mut target: impl Target, requests: usize) -> Result<()> {
    for _ in 0..requests {
        target.request().await?;
    }
    Ok(())
}
