//! `top`: the overview in a terminal, live.

mod app;
mod detail;
mod draw;
mod feed;
mod screen;

use std::io::IsTerminal as _;

use tokio::time::{Duration, MissedTickBehavior, interval};

use super::Target;
use super::problem::Problem;
use app::{App, Flow};
use draw::Look;
use screen::Screen;

/// What moves by itself, such as the age of a lost picture, is drawn so often.
const TICK: Duration = Duration::from_millis(500);

/// Shows it until it is told to end. The first connection is made before the terminal is touched, so that what is wrong
/// with the address or the token is told in a line.
pub(super) async fn run(target: &Target) -> Result<(), Problem> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Problem::NoTerminal);
    }
    let client = target.client()?;
    client.status().await?;
    target.find_service(&client).await?;
    let first = client.stream().await?;
    let mut app = App::new(target.service.clone());
    let look = Look::of_environment(|name| std::env::var(name).ok());
    let mut news = feed::start(client, first);
    let mut asked_to_end = std::pin::pin!(screen::asked_to_end()?);
    let mut screen = Screen::open()?;
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        screen.draw(|frame| draw::draw(frame, &mut app, look))?;
        tokio::select! {
            Some(news) = news.recv() => app.hear(news),
            event = screen.event() => match event {
                Some(event) if app.event(&event) == Flow::Quit => break,
                Some(_) => {}
                // The terminal is gone.
                None => break,
            },
            () = &mut asked_to_end => break,
            _ = tick.tick() => {}
        }
    }
    screen.close()?;
    Ok(())
}
