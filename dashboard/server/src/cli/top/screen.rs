//! The terminal: taken, given back whatever happens, and its keys.

use std::future::Future;
use std::io;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event};
use ratatui::{DefaultTerminal, Frame};
use tokio::sync::mpsc;

/// How long the thread of the keys may take to see that nobody listens any more.
const LOOK_UP: Duration = Duration::from_millis(200);

/// The terminal, as long as it is ours. A panic gives it back before it is told.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: DefaultTerminal,
    events: mpsc::Receiver<Event>,
    is_open: bool,
}

impl Screen {
    pub(super) fn open() -> io::Result<Self> {
        let terminal = ratatui::try_init().inspect_err(|_| drop(ratatui::try_restore()))?;
        let (sender, events) = mpsc::channel(64);
        // Reading a terminal blocks; the thread ends with the program or with the screen.
        std::thread::spawn(move || {
            while !sender.is_closed() {
                let event = match event::poll(LOOK_UP) {
                    Ok(false) => continue,
                    Ok(true) => event::read(),
                    Err(_) => break,
                };
                let Ok(event) = event else { break };
                if sender.blocking_send(event).is_err() {
                    break;
                }
            }
        });
        Ok(Self { terminal, events, is_open: true })
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(|_| ())
    }

    /// The next key or change of size; `None` if there will be none.
    pub(super) async fn event(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    pub(super) fn close(mut self) -> io::Result<()> {
        self.is_open = false;
        ratatui::try_restore()?;
        self.terminal.show_cursor()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.is_open {
            // On the way out of an error, which is the one to tell.
            let _ = ratatui::try_restore();
            let _ = self.terminal.show_cursor();
        }
    }
}

/// Done when the program is asked to end by a signal: then the terminal must be given back too. Ctrl-C is a key.
#[cfg(unix)]
pub(super) fn asked_to_end() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let [mut interrupt, mut terminate, mut hangup] =
        [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?];
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

#[cfg(not(unix))]
pub(super) fn asked_to_end() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
