//! What standard output is: how wide, and whether in colour.

use std::io::{self, BufWriter, IsTerminal as _, StdoutLock};
use std::sync::OnceLock;

use weir::report::Style;

use crate::args::Color;

static CHOICE: OnceLock<Color> = OnceLock::new();

/// Width where standard output is no terminal.
const WIDTH: usize = 80;

/// Remembers what the user asked for.
pub(crate) fn choose(color: Color) {
    let _ = CHOICE.set(color);
}

/// Whether answers are coloured: on a terminal, unless `NO_COLOR` is set or the user says
/// otherwise.
pub(crate) fn style() -> Style {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let coloured = match CHOICE.get() {
        Some(Color::Always) => true,
        Some(Color::Never) => false,
        Some(Color::Auto) | None => {
            io::stdout().is_terminal()
                && !is_set("NO_COLOR")
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    };
    if coloured { Style::Coloured } else { Style::Plain }
}

/// Columns of the terminal; 80 where there is none.
pub(crate) fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        (size.ws_col > 0).then(|| usize::from(size.ws_col))
    };
    columns.filter(|&columns| columns >= 20).or_else(terminal).unwrap_or(WIDTH)
}

/// Columns that a line of a listing may take; `None`: any, because it goes into a pipe or file.
pub(crate) fn line_width() -> Option<usize> {
    io::stdout().is_terminal().then(width)
}

/// Standard output in large pieces.
pub(crate) fn output() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(64 << 10, io::stdout().lock())
}
