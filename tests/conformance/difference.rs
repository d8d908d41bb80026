//! How two texts differ, in few lines.

/// How many lines of each text are shown.
const SHOWN: usize = 6;

/// The place where `found` first differs from `expected`; `None` if they are equal.
pub(crate) fn difference(expected: &str, found: &str) -> Option<String> {
    if expected == found {
        return None;
    }
    let (expected, found): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let same = expected.iter().zip(&found).take_while(|(a, b)| a == b).count();
    let shown = |mark: &str, lines: &[&str]| -> String {
        lines[same.min(lines.len())..]
            .iter()
            .take(SHOWN)
            .map(|line| format!("{mark}{line}\n"))
            .collect()
    };
    Some(format!("line {}:\n{}{}", same + 1, shown("- ", &expected), shown("+ ", &found)))
}
