//! Drawing the screen: what needs a hand, tenants, the newest events, traffic. It fits 80 by 24, and uses more.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Cell, Paragraph, Row, Sparkline, Table},
};

use super::{
    overview::{Need, Overview, TenantLine, moment},
    tail::EventLine,
};
use crate::domain::in_brussels;

/// From this width on, two columns stand side by side.
const WIDE: u16 = 150;

/// Lines of the panel with traffic, its border included.
const TRAFFIC_HEIGHT: u16 = 4;

/// Hours that are drawn side by side.
const BARS: u16 = 24;

/// What can be scrolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Panel {
    Needs,
    Tenants,
    Events,
}

impl Panel {
    /// The one after it.
    pub fn next(self) -> Self {
        match self {
            Self::Needs => Self::Tenants,
            Self::Tenants => Self::Events,
            Self::Events => Self::Needs,
        }
    }

    /// The one before it.
    pub fn previous(self) -> Self {
        self.next().next()
    }
}

/// What is shown, and how far it was scrolled.
pub(super) struct View {
    pub overview: Overview,
    pub focus: Panel,
    needs_from: usize,
    tenants_from: usize,
    events_from: usize,
}

impl View {
    /// From the top.
    pub fn new(overview: Overview) -> Self {
        Self { overview, focus: Panel::Needs, needs_from: 0, tenants_from: 0, events_from: 0 }
    }

    /// Moves the panel in focus up.
    pub fn scroll_up(&mut self, lines: usize) {
        let from = self.from();
        *from = from.saturating_sub(lines);
    }

    /// Moves it down; drawing stops it at its end.
    pub fn scroll_down(&mut self, lines: usize) {
        let from = self.from();
        *from = from.saturating_add(lines);
    }

    fn from(&mut self) -> &mut usize {
        match self.focus {
            Panel::Needs => &mut self.needs_from,
            Panel::Tenants => &mut self.tenants_from,
            Panel::Events => &mut self.events_from,
        }
    }
}

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, view: &mut View) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
    headline(frame, head, &view.overview);
    if body.width >= WIDE {
        let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(body);
        let [needs, tenants] = Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(left);
        let [events, traffic] =
            Layout::vertical([Constraint::Min(0), Constraint::Length(TRAFFIC_HEIGHT + 2)]).areas(right);
        panels(frame, view, needs, tenants, events);
        draw_traffic(frame, traffic, &view.overview);
    } else {
        let heights = heights(body.height.saturating_sub(TRAFFIC_HEIGHT), &view.overview);
        let [needs, tenants, events, traffic] = Layout::vertical(heights).areas(body);
        panels(frame, view, needs, tenants, events);
        draw_traffic(frame, traffic, &view.overview);
    }
    let keys = " q quit   Tab next panel   arrows, PgUp, PgDn, Home, End scroll";
    frame.render_widget(Paragraph::new(keys).style(Style::new().add_modifier(Modifier::DIM)), foot);
}

/// Heights of the panels one above the other: those that need less leave the rest to the events.
fn heights(rest: u16, overview: &Overview) -> [Constraint; 4] {
    let lines = |count: usize, more: u16| u16::try_from(count).unwrap_or(u16::MAX).saturating_add(more);
    let needs = lines(overview.needs.len().max(1), 2).min(rest / 3);
    let tenants = lines(overview.tenants.len(), 3).min((rest - needs) / 2);
    [Constraint::Length(needs), Constraint::Length(tenants), Constraint::Min(0), Constraint::Length(TRAFFIC_HEIGHT)]
}

fn headline(frame: &mut Frame<'_>, area: Rect, overview: &Overview) {
    let state = if overview.running {
        Span::styled(" running ", Style::new().fg(Color::Black).bg(Color::Green))
    } else {
        Span::styled(" not running ", Style::new().fg(Color::White).bg(Color::Red))
    };
    let (register, entries) = (overview.register(), overview.tail.entries);
    let rest = format!(" {register}   log {entries}   {}", moment(overview.at));
    let name = Span::styled(" groeikluis ", Style::new().add_modifier(Modifier::BOLD));
    frame.render_widget(Line::from(vec![name, state, Span::raw(rest)]), area);
}

fn panels(frame: &mut Frame<'_>, view: &mut View, needs: Rect, tenants: Rect, events: Rect) {
    let View { overview, focus, needs_from, tenants_from, events_from } = view;
    let lines = |area: Rect, header: u16| usize::from(area.height.saturating_sub(2 + header));
    *needs_from = stop_at_end(*needs_from, overview.needs.len(), lines(needs, 0));
    *tenants_from = stop_at_end(*tenants_from, overview.tenants.len(), lines(tenants, 1));
    *events_from = stop_at_end(*events_from, overview.tail.events.len(), lines(events, 0));

    let title = counted("Needs a hand", overview.needs.len(), *needs_from, lines(needs, 0));
    let text: Vec<Line<'_>> = overview.needs.iter().skip(*needs_from).map(need_line).collect();
    let text = if overview.needs.is_empty() { vec![Line::from("nothing")] } else { text };
    frame.render_widget(Paragraph::new(text).block(block(title, *focus == Panel::Needs)), needs);

    let title = counted("Tenants", overview.tenants.len(), *tenants_from, lines(tenants, 1));
    let rows = overview.tenants.iter().skip(*tenants_from).map(tenant_row);
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(7),
        Constraint::Length(8),
        Constraint::Length(7),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(11),
    ];
    let header = ["tenant", "waiting", "answered", "refused", "delivered", "unfetched", "last login"];
    let header = Row::new(header).style(Style::new().add_modifier(Modifier::DIM));
    let table = Table::new(rows, widths).header(header).block(block(title, *focus == Panel::Tenants));
    frame.render_widget(table, tenants);

    let title = counted("Events", overview.tail.events.len(), *events_from, lines(events, 0));
    let text: Vec<Line<'_>> = overview.tail.events.iter().skip(*events_from).map(event_line).collect();
    frame.render_widget(Paragraph::new(text).block(block(title, *focus == Panel::Events)), events);
}

/// The first line to be shown, so that the last page is full.
fn stop_at_end(from: usize, count: usize, lines: usize) -> usize {
    from.min(count.saturating_sub(lines))
}

fn counted(name: &str, count: usize, from: usize, lines: usize) -> String {
    if count <= lines {
        format!(" {name} ({count}) ")
    } else {
        format!(" {name} ({}-{} of {count}) ", from + 1, (from + lines).min(count))
    }
}

fn block(title: String, in_focus: bool) -> Block<'static> {
    let style = if in_focus { Style::new().fg(Color::Cyan) } else { Style::new() };
    Block::bordered().title(title).border_style(style)
}

fn need_line(need: &Need) -> Line<'_> {
    if need.urgent {
        Line::styled(format!("! {}", need.text), Style::new().fg(Color::Red).add_modifier(Modifier::BOLD))
    } else {
        Line::from(format!("- {}", need.text))
    }
}

fn tenant_row(line: &TenantLine) -> Row<'_> {
    let number = |number: u64, alarming: bool| {
        let style = if alarming && number > 0 { Style::new().fg(Color::Yellow) } else { Style::new() };
        Cell::from(Line::from(number.to_string()).right_aligned()).style(style)
    };
    let summary = &line.summary;
    // Who did not log in for a year is seen by the months.
    let login = summary.last_login.map(|at| in_brussels(at).strftime("%m-%d %H:%M").to_string());
    let login = login.unwrap_or_else(|| "never".to_owned());
    Row::new(vec![
        Cell::from(line.id.to_string()),
        number(summary.waiting, true),
        number(summary.answered, false),
        number(summary.refused, false),
        number(summary.deliveries, false),
        number(summary.unfetched, true),
        Cell::from(login),
    ])
}

fn event_line(event: &EventLine) -> Line<'_> {
    let tenant = event.tenant.as_ref().map(ToString::to_string).unwrap_or_default();
    // The zone stands in the screen's first line.
    let time = in_brussels(event.at).strftime("%H:%M").to_string();
    let text = format!("{time} {:<19} {tenant:<12} {}", event.name, event.details);
    if event.failed { Line::styled(text, Style::new().fg(Color::Yellow)) } else { Line::from(text) }
}

fn draw_traffic(frame: &mut Frame<'_>, area: Rect, overview: &Overview) {
    let traffic = overview.tail.traffic(overview.at);
    let (up, down): (Vec<u64>, Vec<u64>) = traffic.into_iter().unzip();
    let area = {
        let block = block(" Traffic of 24 hours, an hour each ".to_owned(), false);
        let inner = block.inner(area);
        frame.render_widget(block, area);
        inner
    };
    let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(area);
    for (area, name, bytes, color) in [(left, "in ", up, Color::Blue), (right, "out", down, Color::Green)] {
        let [text, chart] = Layout::horizontal([Constraint::Length(13), Constraint::Min(0)]).areas(area);
        let total: u64 = bytes.iter().sum();
        frame.render_widget(Paragraph::new(format!("{name} {}", size(total))), text);
        // A bar as wide as there is room for all hours.
        let wide = usize::from(chart.width / BARS).clamp(1, 4);
        let bars: Vec<u64> = bytes.into_iter().flat_map(|hour| std::iter::repeat_n(hour, wide)).collect();
        frame.render_widget(Sparkline::default().data(bars).style(Style::new().fg(color)), chart);
    }
}

/// A size in at most eight characters.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut whole, mut unit) = (bytes, 0);
    while whole >= 10_000 && unit + 1 < UNITS.len() {
        whole >>= 10;
        unit += 1;
    }
    format!("{whole} {}", UNITS.get(unit).unwrap_or(&""))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use ratatui::{Terminal, backend::TestBackend};

    use super::{super::tail::Tail, *};
    use crate::{daemon::InUse, ledger::TenantSummary};

    fn overview(tenants: usize, needs: usize) -> Overview {
        let at: Timestamp = "2026-11-22T09:13:00Z".parse().unwrap();
        let event = |number: usize| EventLine {
            at,
            name: "delivery.created",
            tenant: Some("bree".parse().unwrap()),
            failed: number.is_multiple_of(7),
            details: format!("sociale-toeslag_72004_OPG-2026-017_20261122_{number:04}.csv.age"),
        };
        let mut tail = Tail::default();
        tail.entries = 12_345;
        tail.events = (0..40).map(event).collect();
        tail.register.in_use = InUse::Loaded { month: "2026-11".to_owned(), rows: 1_600_000 };
        let line = |number: usize| TenantLine {
            id: format!("tenant-{number}").parse().unwrap(),
            name: format!("Bestuur {number}"),
            summary: TenantSummary {
                waiting: 1,
                answered: 20,
                unfetched: 3,
                last_login: Some(at),
                ..TenantSummary::default()
            },
        };
        let need = |number: usize| Need { urgent: number == 0, text: format!("need {number}") };
        Overview {
            at,
            running: true,
            needs: (0..needs).map(need).collect(),
            tenants: (0..tenants).map(line).collect(),
            warnings: Vec::new(),
            mails_waiting: 0,
            tail,
        }
    }

    fn drawn(view: &mut View, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, view)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn everything_is_on_a_small_screen_and_on_a_wide_one() {
        for (width, height) in [(80, 24), (160, 45)] {
            let text = drawn(&mut View::new(overview(12, 9)), width, height);
            for part in [
                "running",
                "register 2026-11",
                "Needs a hand",
                "! need 0",
                "tenant-0",
                "unfetched",
                "Events",
                "delivery.created",
                "Traffic",
                "q quit",
            ] {
                assert!(text.contains(part), "{part} at {width} by {height}:\n{text}");
            }
        }
        // Nothing is drawn where there is no room, and nothing fails.
        drawn(&mut View::new(overview(1, 0)), 20, 5);
        drawn(&mut View::new(overview(0, 0)), 1, 1);
    }

    #[test]
    fn a_panel_is_scrolled_to_its_end_and_no_further() {
        let mut view = View::new(overview(40, 40));
        view.scroll_down(usize::MAX);
        assert!(drawn(&mut view, 80, 24).contains("need 39"));
        view.scroll_up(1);
        let text = drawn(&mut view, 80, 24);
        assert!(!text.contains("need 39") && text.contains("need 38"), "{text}");
        view.focus = view.focus.next();
        view.scroll_down(12);
        let text = drawn(&mut view, 80, 24);
        assert!(text.contains("tenant-12") && !text.contains("tenant-11 "), "{text}");
        view.scroll_up(usize::MAX);
        assert!(drawn(&mut view, 80, 24).contains("tenant-0"));
        assert_eq!((view.focus.previous(), Panel::Events.next()), (Panel::Needs, Panel::Needs));
    }

    #[test]
    fn sizes_are_short() {
        let sizes: Vec<String> = [0, 9_999, 10_240, 5 << 30, u64::MAX].into_iter().map(size).collect();
        assert_eq!(sizes, ["0 B", "9999 B", "10 KiB", "5120 MiB", "16777215 TiB"]);
    }
}
