//! The work: requests, a fixed number of them at a time.

use std::future::Future;
use std::pin::Pin;
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use tokio::runtime;

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

/// Threads of a round that is shared.
const THREADS: usize = 2;

/// Does so many requests on threads of its own, together.
pub(crate) type SharedRound = Box<dyn Fn(usize) -> Result<()>>;

/// Rounds of two threads, each with a clone of the target.
pub(crate) fn shared_rounds<T: Target>(target: T) -> SharedRound {
    Box::new(move |requests| {
        thread::scope(|scope| {
            let start = |_| {
                let target = target.clone();
                scope.spawn(move || {
                    let runtime = runtime::Builder::new_current_thread().build()?;
                    runtime.block_on(one_after_the_other(target, requests / THREADS))
                })
            };
            let threads: Vec<_> = (0..THREADS).map(start).collect();
            let mut ended = threads.into_iter().map(thread::ScopedJoinHandle::join);
            ended.try_for_each(|ended| ended.map_err(|_| anyhow!("a thread of the client has panicked"))?)
        })
    })
}

async fn one_after_the_other(mut target: impl Target, requests: usize) -> Result<()> {
    for _ in 0..requests {
        target.request().await?;
    }
    Ok(())
}
