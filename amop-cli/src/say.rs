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
