//! What is shown, and what each key changes of it.

use std::time::Instant;

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::feed::News;
use crate::cli::picture::Picture;

/// Characters of a filter.
const MAX_FILTER: usize = 64;
/// Rows that a page key moves.
const PAGE: isize = 10;

/// What is on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum View {
    Overview,
    /// One row of it, by its id.
    Details(String),
    Help,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Stay,
    Quit,
}

/// See the module.
#[derive(Debug)]
pub(super) struct App {
    service: Option<String>,
    live: Picture,
    /// What is shown instead while it is paused.
    frozen: Option<Picture>,
    pub(super) view: View,
    pub(super) filter: String,
    /// True while the filter is being typed.
    pub(super) is_typing: bool,
    /// Id of the row that is chosen: it stays with its pool when the order changes.
    selected: Option<String>,
    /// Lines of the details that are above the screen.
    pub(super) scroll: u16,
    /// Why the stream is lost, if it is.
    pub(super) lost: Option<String>,
    /// When the last message came.
    heard: Option<Instant>,
}

impl App {
    pub(super) fn new(service: Option<String>) -> Self {
        Self {
            service,
            live: Picture::default(),
            frozen: None,
            view: View::Overview,
            filter: String::new(),
            is_typing: false,
            selected: None,
            scroll: 0,
            lost: None,
            heard: None,
        }
    }

    /// What is shown.
    pub(super) fn picture(&self) -> &Picture {
        self.frozen.as_ref().unwrap_or(&self.live)
    }

    pub(super) fn is_paused(&self) -> bool {
        self.frozen.is_some()
    }

    /// Seconds since the last message; `None` before the first.
    pub(super) fn age_s(&self) -> Option<u64> {
        self.heard.map(|heard| heard.elapsed().as_secs())
    }

    pub(super) fn hear(&mut self, news: News) {
        match news {
            News::Message(message) => {
                self.live.apply(*message);
                if let Some(wanted) = &self.service {
                    self.live.keep(|service| service == wanted);
                }
                self.lost = None;
                self.heard = Some(Instant::now());
            }
            News::Lost(why) => self.lost = Some(why),
        }
    }

    /// Place of the chosen row.
    pub(super) fn selected(&self) -> usize {
        let rows = self.picture().rows(&self.filter);
        let chosen = self.selected.as_ref();
        chosen.and_then(|id| rows.iter().position(|row| row.pool.id == *id)).unwrap_or(0)
    }

    pub(super) fn event(&mut self, event: &Event) -> Flow {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(*key),
            _ => Flow::Stay,
        }
    }

    fn key(&mut self, key: KeyEvent) -> Flow {
        let with_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c' | 'd') if with_control => return Flow::Quit,
            KeyCode::Char(_) if with_control => {}
            code if self.is_typing => self.type_filter(code),
            KeyCode::Char('q') => return Flow::Quit,
            KeyCode::Char('?') if self.view == View::Help => self.show(View::Overview),
            KeyCode::Char('?') => self.show(View::Help),
            KeyCode::Char(' ') => {
                self.frozen = if self.is_paused() { None } else { Some(self.live.clone()) };
            }
            KeyCode::Char('j') | KeyCode::Down => self.go(1),
            KeyCode::Char('k') | KeyCode::Up => self.go(-1),
            KeyCode::PageDown => self.go(PAGE),
            KeyCode::PageUp => self.go(-PAGE),
            KeyCode::Char('g') | KeyCode::Home => self.go(isize::MIN),
            KeyCode::Char('G') | KeyCode::End => self.go(isize::MAX),
            KeyCode::Char('/') if self.view == View::Overview => self.is_typing = true,
            KeyCode::Enter if self.view == View::Overview => {
                let id =
                    self.picture().rows(&self.filter).get(self.selected()).map(|row| row.pool.id.clone());
                if let Some(id) = id {
                    self.selected = Some(id.clone());
                    self.show(View::Details(id));
                }
            }
            KeyCode::Esc if self.view == View::Overview => self.filter.clear(),
            KeyCode::Esc | KeyCode::Backspace => self.show(View::Overview),
            _ => {}
        }
        Flow::Stay
    }

    fn type_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) if !c.is_control() && self.filter.chars().count() < MAX_FILTER => {
                self.filter.push(c);
            }
            _ => {}
        }
    }

    fn show(&mut self, view: View) {
        (self.view, self.scroll) = (view, 0);
    }

    /// Moves the choice, or the text where one is read.
    fn go(&mut self, by: isize) {
        if self.view != View::Overview {
            let by = by.clamp(-i16::MAX as isize, i16::MAX as isize) as i16;
            self.scroll = self.scroll.saturating_add_signed(by);
            return;
        }
        let rows = self.picture().rows(&self.filter);
        let to = self.selected().saturating_add_signed(by).min(rows.len().saturating_sub(1));
        self.selected = rows.get(to).map(|row| row.pool.id.clone());
    }
}

#[cfg(test)]
pub(super) mod tests {
    use poolscope_wire::{ServerMessage, Severity, Update};

    use super::*;
    use crate::cli::picture::tests::{full, pool};

    pub(in crate::cli::top) fn three() -> App {
        let mut app = App::new(None);
        app.hear(News::Message(Box::new(ServerMessage::Full(full(vec![
            pool("a", "fine", Severity::Ok),
            pool("b", "pay", Severity::Bad),
            pool("c", "slow", Severity::Warn),
        ])))));
        app
    }

    pub(in crate::cli::top) fn press(app: &mut App, keys: &str) -> Flow {
        let code = |c| match c {
            '\n' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            c => KeyCode::Char(c),
        };
        let events = keys.chars().map(|c| Event::Key(KeyEvent::new(code(c), KeyModifiers::NONE)));
        events.map(|event| app.event(&event)).last().unwrap()
    }

    fn worse(app: &mut App) {
        let update = Update { pools: vec![pool("a", "fine", Severity::Bad)], ..Update::default() };
        app.hear(News::Message(Box::new(ServerMessage::Update(update))));
    }

    #[test]
    fn the_choice_stays_with_its_pool() {
        let mut app = three();
        assert_eq!(app.selected(), 0);
        press(&mut app, "j");
        assert_eq!(app.selected(), 1);
        worse(&mut app);
        assert_eq!(app.selected(), 2, "it has a new place");
        press(&mut app, "jjj\n");
        assert_eq!(app.view, View::Details("c".to_owned()));
        press(&mut app, "\u{1b}gk");
        assert_eq!((&app.view, app.selected()), (&View::Overview, 0));
    }

    #[test]
    fn a_filter_takes_letters_that_are_keys_elsewhere() {
        let mut app = three();
        assert_eq!(press(&mut app, "/q"), Flow::Stay);
        assert_eq!((&*app.filter, app.picture().rows(&app.filter).len()), ("q", 0));
        press(&mut app, "\u{1b}/pay\n");
        assert_eq!((app.is_typing, app.picture().rows(&app.filter).len()), (false, 1));
        assert_eq!(press(&mut app, "q"), Flow::Quit);
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(app.event(&Event::Key(control_c)), Flow::Quit);
    }

    #[test]
    fn a_pause_holds_the_picture_and_ends_with_the_newest() {
        let mut app = three();
        let worst = |app: &App| app.picture().headline().bad;
        press(&mut app, " ");
        worse(&mut app);
        assert_eq!((app.is_paused(), worst(&app)), (true, 1));
        press(&mut app, " ");
        assert_eq!((app.is_paused(), worst(&app)), (false, 2));
    }

    #[test]
    fn other_services_are_left_out() {
        let mut app = App::new(Some("bank".to_owned()));
        worse(&mut app);
        assert_eq!(app.picture().rows("").len(), 0);
    }
}
