use poolscope_wire::{Full, ServerMessage, Warning};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::super::app::tests::{press, three};
use super::super::feed::News;
use super::*;
use crate::cli::picture::tests::{full, pool};

const PLAIN: Look = Look { has_colours: false, has_blocks: false };
const RICH: Look = Look { has_colours: true, has_blocks: true };

fn drawn(app: &mut App, (width, height): (u16, u16), look: Look) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, app, look)).unwrap();
    terminal.backend().buffer().clone()
}

fn screen(app: &mut App, size: (u16, u16)) -> Vec<String> {
    let buffer = drawn(app, size, PLAIN);
    let rows = buffer.content.chunks(usize::from(size.0));
    rows.map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned())
        .collect()
}

fn say(app: &mut App, full: Full) {
    app.hear(News::Message(Box::new(ServerMessage::Full(full))));
}

fn warning() -> Warning {
    Warning {
        id: "w".to_owned(),
        severity: Severity::Bad,
        name: "pay:443".to_owned(),
        sentence: "3 requests wait".to_owned(),
        ..Warning::default()
    }
}

#[test]
fn the_worst_is_on_top_in_words_at_every_size() {
    for size in [(200, 50), (120, 30), (80, 24), (40, 15)] {
        let mut app = three();
        let mut picture = full(app.picture().pools.values().cloned().collect());
        picture.warnings = vec![warning()];
        say(&mut app, picture);
        let lines = screen(&mut app, size);
        let all = lines.join("\n");
        assert!(lines[0].starts_with("1 bad and 1 warn of 3"), "{size:?}\n{all}");
        let at = |text: &str| lines.iter().position(|line| line.starts_with(text)).expect(&all);
        assert!(at(">BAD  pay:443") < at(" warn slow:443") && at(" warn slow") < at(" ok   fine"), "{all}");
        assert!(lines[at(">BAD")].contains("pay is bad"), "{all}");
        assert!(lines[at("WARNINGS") + 1].contains(" BAD   pay:443: 3 requests wait"), "{all}");
        assert!(lines.last().unwrap().contains("?: help"), "{all}");
        assert_eq!(size.0 >= 70, all.contains("TREND"), "{all}");
        assert!(all.is_ascii(), "{all}");
    }
}

#[test]
fn no_size_is_too_small() {
    let mut app = three();
    for view in ["", "?", "?\n"] {
        press(&mut app, &format!("\u{1b}{view}"));
        for size in [(1, 1), (2, 2), (5, 3), (13, 4), (300, 2), (3, 100)] {
            screen(&mut app, size);
        }
    }
}

#[test]
fn colours_are_left_out_where_they_are_not_wanted() {
    let mut app = three();
    let coloured = |buffer: &Buffer| buffer.content.iter().any(|cell| cell.fg != Color::Reset);
    assert!(coloured(&drawn(&mut app, (80, 24), RICH)));
    assert!(!coloured(&drawn(&mut app, (80, 24), PLAIN)));
    let look = |pairs: &[(&str, &str)]| {
        let find = |name: &str| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned());
        Look::of_environment(find)
    };
    assert_eq!(look(&[("LANG", "de_DE.UTF-8")]), RICH);
    assert_eq!(look(&[("NO_COLOR", "1"), ("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")]), PLAIN);
}

#[test]
fn a_name_can_not_break_out_of_its_place() {
    let mut app = three();
    let mut evil = pool("e", "x\u{1b}]0;t\u{7}\u{1b}[2J\u{202e}y", Severity::Bad);
    evil.health.sentence = "a\u{9b}31mb\nc".to_owned();
    let mut picture = full(vec![evil]);
    picture.warnings = vec![Warning { name: "\u{1b}[5m".to_owned(), what_id: "e".to_owned(), ..warning() }];
    say(&mut app, picture);
    for keys in ["\u{1b}", "\n"] {
        press(&mut app, keys);
        let all = screen(&mut app, (80, 24)).join("\n");
        assert!(all.contains("x?y:443") && all.contains("ab c"), "{all}");
        assert!(!all.contains(|c: char| c != '\n' && c.is_control() || c == '\u{202e}'), "{all:?}");
    }
}

#[test]
fn the_chosen_row_is_seen_among_many_and_details_scroll_to_their_end() {
    let mut app = three();
    say(
        &mut app,
        full((0..100).map(|n| pool(&format!("{n:03}"), &format!("h{n:03}"), Severity::Ok)).collect()),
    );
    press(&mut app, "G");
    let all = screen(&mut app, (80, 24)).join("\n");
    assert!(all.contains(">ok   h099:443") && !all.contains("h000"), "{all}");
    press(&mut app, "\nG");
    let all = screen(&mut app, (40, 15)).join("\n");
    assert!(all.contains("in total") && app.scroll > 0, "{all}");
    press(&mut app, "g");
    let all = screen(&mut app, (80, 24)).join("\n");
    assert!(all.contains("h099:443") && all.contains("1 idle, 2 active, - connecting"), "{all}");
}

#[test]
fn what_is_lost_and_paused_is_told_and_trends_have_their_height() {
    let mut app = three();
    app.hear(News::Lost("nothing listens".to_owned()));
    press(&mut app, " ");
    let lines = screen(&mut app, (100, 24));
    assert!(lines[0].starts_with("LOST, 0 s old | PAUSED | 1 bad"), "{lines:?}");
    assert_eq!(lines[23], "nothing listens");
    let values = [None, Some(0.0), Some(5.0), Some(10.0)];
    assert_eq!((PLAIN.trend(&values), RICH.trend(&values)), (" _-#".to_owned(), " ▁▅█".to_owned()));
    assert_eq!(RICH.trend(&[Some(0.0)]), "▁");
}
