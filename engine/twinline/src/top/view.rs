//! What of the state is on the screen, and the keys that change it.

use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::state::State;
use super::text::Look;

/// A page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Page {
    /// Everything at a glance.
    #[default]
    Overview,
    /// Ports and link pairs.
    Ports,
    /// Peers, paths, alarms.
    Peers,
    /// Virtual routers.
    #[value(name = "layer3")]
    Layer3,
    /// Events.
    Events,
}

impl Page {
    /// In the order of their keys.
    pub const ALL: [Page; 5] = [
        Page::Overview,
        Page::Ports,
        Page::Peers,
        Page::Layer3,
        Page::Events,
    ];

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Page::Overview => "overview",
            Page::Ports => "ports",
            Page::Peers => "peers",
            Page::Layer3 => "layer 3",
            Page::Events => "events",
        }
    }

    fn step(self, by: usize) -> Page {
        let all = Page::ALL;
        let at = all.iter().position(|page| *page == self).unwrap_or(0);
        let at = (at + by) % all.len();
        all.get(at).copied().unwrap_or_default()
    }
}

/// What a key asks of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Nothing more than to be shown.
    Draw,
    /// The whole screen anew.
    Redraw,
    /// The end.
    Quit,
}

/// What is on the screen.
#[derive(Debug, Clone)]
pub struct View {
    /// How it is drawn.
    pub look: Look,
    /// Time between two rounds of questions.
    pub interval: Duration,
    /// The page.
    pub page: Page,
    /// The first line shown.
    pub scroll: usize,
    /// The lines that a page shows at once, as they were drawn last.
    pub window: usize,
    /// The keys are explained.
    pub help: bool,
    /// The state at the moment of the pause, and that moment.
    pub paused: Option<Box<(State, Duration)>>,
}

impl View {
    /// The first screen.
    pub fn new(look: Look, interval: Duration, page: Page) -> View {
        View {
            look,
            interval,
            page,
            scroll: 0,
            window: 0,
            help: false,
            paused: None,
        }
    }

    /// Obeys a key.
    pub fn key(&mut self, key: KeyEvent, state: &State, now: Duration) -> Wish {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c' | 'C') => Wish::Quit,
                KeyCode::Char('l' | 'L') => Wish::Redraw,
                _ => Wish::Draw,
            };
        }
        let a_page = self.window.saturating_sub(1).max(1);
        match key.code {
            KeyCode::Char('q' | 'Q') => return Wish::Quit,
            KeyCode::Char('?' | 'h') => self.help = !self.help,
            KeyCode::Esc => self.help = false,
            KeyCode::Char('p' | 'P') => {
                self.paused = match self.paused {
                    Some(_) => None,
                    None => Some(Box::new((state.clone(), now))),
                };
            }
            KeyCode::Char(digit @ '1'..='5') => {
                let at = (digit as usize).saturating_sub('1' as usize);
                self.show(Page::ALL.get(at).copied().unwrap_or_default());
            }
            KeyCode::Tab | KeyCode::Right => self.show(self.page.step(1)),
            KeyCode::BackTab | KeyCode::Left => self.show(self.page.step(Page::ALL.len() - 1)),
            KeyCode::Up | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.scroll = self.scroll.saturating_add(1),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(a_page),
            KeyCode::PageDown | KeyCode::Char(' ') => {
                self.scroll = self.scroll.saturating_add(a_page);
            }
            KeyCode::Home => self.scroll = 0,
            KeyCode::End => self.scroll = usize::MAX,
            _ => {}
        }
        Wish::Draw
    }

    fn show(&mut self, page: Page) {
        self.page = page;
        self.scroll = 0;
        self.help = false;
    }

    /// Keeps what is being read in its place when events come in above it.
    pub fn events_came(&mut self, count: usize) {
        if self.page == Page::Events && self.scroll > 0 && self.paused.is_none() {
            self.scroll = self.scroll.saturating_add(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        let look = Look {
            ascii: false,
            colour: true,
        };
        View::new(look, Duration::from_secs(1), Page::Overview)
    }

    #[test]
    fn keys() {
        let (mut view, state) = (view(), State::new("s".into()));
        let mut press = |code| {
            let wish = view.key(
                KeyEvent::new(code, KeyModifiers::NONE),
                &state,
                Duration::ZERO,
            );
            (
                wish,
                view.page,
                view.scroll,
                view.help,
                view.paused.is_some(),
            )
        };
        let at = |page, scroll| (Wish::Draw, page, scroll, false, false);
        assert_eq!(press(KeyCode::Char('3')), at(Page::Peers, 0));
        assert_eq!(press(KeyCode::Down), at(Page::Peers, 1));
        assert_eq!(press(KeyCode::Tab), at(Page::Layer3, 0));
        assert_eq!(press(KeyCode::Up), at(Page::Layer3, 0));
        assert_eq!(press(KeyCode::BackTab), at(Page::Peers, 0));
        assert_eq!(press(KeyCode::Char('1')), at(Page::Overview, 0));
        assert_eq!(press(KeyCode::BackTab), at(Page::Events, 0));
        assert_eq!(press(KeyCode::End), at(Page::Events, usize::MAX));
        assert_eq!(press(KeyCode::Down), at(Page::Events, usize::MAX));
        assert!(press(KeyCode::Char('?')).3);
        assert!(!press(KeyCode::Esc).3);
        assert!(press(KeyCode::Char('p')).4);
        assert!(!press(KeyCode::Char('p')).4);
        assert_eq!(press(KeyCode::Char('q')).0, Wish::Quit);
        let ctrl = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        assert_eq!(view.key(ctrl('c'), &state, Duration::ZERO), Wish::Quit);
        assert_eq!(view.key(ctrl('l'), &state, Duration::ZERO), Wish::Redraw);
    }

    #[test]
    fn what_is_read_stays_where_it_is() {
        let mut view = view();
        view.page = Page::Events;
        view.events_came(3);
        assert_eq!(view.scroll, 0, "at the top, the newest is shown");
        view.scroll = 2;
        view.events_came(3);
        assert_eq!(view.scroll, 5);
    }
}
