//! `status --watch`: the screen on a terminal, kept up to date until q is pressed.
//!
//! The terminal is given back as it was, however this ends: by a key, a signal, an error or a panic.

use std::{
    io::{self, IsTerminal},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::signal::unix::SignalKind;

use super::{
    draw::{Panel, View, draw},
    overview::Watcher,
};
use crate::{
    cli::{UsageFault, signals},
    config::Settings,
    durable::Clock,
};

/// How often everything is looked at anew.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long a key or a signal may wait, at most.
const RESPONSE: Duration = Duration::from_millis(100);

/// Lines that a page key moves.
const PAGE: usize = 10;

/// Shows the screen until it is left.
pub(super) fn run(settings: Settings, all: bool) -> anyhow::Result<()> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        bail!(UsageFault("--watch needs a terminal; without one, leave it out or use --json".to_owned()));
    }
    // Its default would leave the terminal as it is.
    let ended = signals::watch(&[SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()], || ())?;
    let mut watcher = Watcher::new(settings, Clock::system(), all);
    let mut view = View::new(watcher.look()?);
    // It also has a panic give the terminal back first.
    let mut terminal = ratatui::try_init().context("cannot take over the terminal")?;
    let outcome = (|| -> anyhow::Result<()> {
        let mut looked = Instant::now();
        let mut changed = true;
        loop {
            // Only what changed is sent, and nothing at all while nothing does.
            if changed {
                terminal.draw(|frame| draw(frame, &mut view))?;
            }
            changed = match react(&mut view, &ended)? {
                Reaction::Leave => return Ok(()),
                Reaction::Changed => true,
                Reaction::Nothing => false,
            };
            if looked.elapsed() >= LOOK_EVERY {
                watcher.read_again();
                view.overview = watcher.look()?;
                looked = Instant::now();
                changed = true;
            }
        }
    })();
    ratatui::restore();
    outcome
}

/// What a moment of waiting brought.
enum Reaction {
    Leave,
    Changed,
    Nothing,
}

/// Waits a moment for keys.
fn react(view: &mut View, ended: &AtomicBool) -> anyhow::Result<Reaction> {
    // A terminal that is gone sends no key and not always a signal.
    if ended.load(Ordering::SeqCst) || !io::stdin().is_terminal() {
        return Ok(Reaction::Leave);
    }
    if !event::poll(RESPONSE)? {
        return Ok(Reaction::Nothing);
    }
    // Another size is a change, too.
    let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. }) = event::read()? else {
        return Ok(Reaction::Changed);
    };
    match code {
        KeyCode::Char('q') | KeyCode::Esc => return Ok(Reaction::Leave),
        KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => return Ok(Reaction::Leave),
        KeyCode::Tab | KeyCode::Right => view.focus = view.focus.next(),
        KeyCode::BackTab | KeyCode::Left => view.focus = view.focus.previous(),
        KeyCode::Up | KeyCode::Char('k') => view.scroll_up(1),
        KeyCode::Down | KeyCode::Char('j') => view.scroll_down(1),
        KeyCode::PageUp => view.scroll_up(PAGE),
        KeyCode::PageDown | KeyCode::Char(' ') => view.scroll_down(PAGE),
        KeyCode::Home => view.scroll_up(usize::MAX),
        KeyCode::End => view.scroll_down(usize::MAX),
        KeyCode::Char('1') => view.focus = Panel::Needs,
        KeyCode::Char('2') => view.focus = Panel::Tenants,
        KeyCode::Char('3') => view.focus = Panel::Events,
        _ => return Ok(Reaction::Nothing),
    }
    Ok(Reaction::Changed)
}
