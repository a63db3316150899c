//! Output to the user. Unlike `println!`, it ignores a closed pipe or a full disk.

/// Writes a line to standard output.
macro_rules! say {
    ($($text:tt)*) => {{
        let _ = std::io::Write::write_fmt(
            &mut std::io::stdout(),
            format_args!("{}\n", format_args!($($text)*)),
        );
    }};
}

/// Writes a line to standard error.
macro_rules! tell {
    ($($text:tt)*) => {{
        let _ = std::io::Write::write_fmt(
            &mut std::io::stderr(),
            format_args!("{}\n", format_args!($($text)*)),
        );
    }};
}

/// Writes lines to standard output on a separate thread, because a pipe that no process reads keeps
/// its writer waiting.
pub(crate) async fn say_apart(lines: String) {
    // An error means that the program ends.
    let _ = tokio::task::spawn_blocking(move || say!("{lines}")).await;
}

/// Returns an error with its causes, each only once: some errors already contain the text of their
/// cause.
pub(crate) fn whole(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let cause = std::io::Error::other("the disk is full");
        let error = anyhow::Error::new(cause).context("cannot write: the disk is full; make room");
        assert_eq!(whole(&error), "cannot write: the disk is full; make room");
        assert_eq!(
            whole(&error.context("no report")),
            "no report: cannot write: the disk is full; make room"
        );
    }
}
