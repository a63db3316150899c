//! Errors of files that are not UTF-8.

/// The mistake in such a file, and how to correct it.
pub(crate) const NOT_UTF8: &str = "this is not UTF-8 from here on: save the file as UTF-8, for example with \
    `iconv -f GBK -t UTF-8` if it is in GBK";

/// Returns line and column, from 1, of the first byte that is not UTF-8.
pub(crate) fn place(bytes: &[u8]) -> (usize, usize) {
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    };
    let line = valid.matches('\n').count() + 1;
    let last = valid.rsplit('\n').next().unwrap_or_default();
    (line, last.chars().count() + 1)
}
