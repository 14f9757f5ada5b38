//! Sentences below a table, in lines that every terminal shows whole.

/// Columns of a line of sentences.
pub const WIDTH: usize = 80;

/// Adds a sentence, in lines of at most [`WIDTH`] columns; a longer word has a line of its own.
pub(super) fn note(out: &mut String, sentence: &str) {
    let mut column = 0;
    for word in sentence.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_before_the_word_that_has_no_room() {
        let mut out = String::new();
        note(&mut out, &format!("{} b {} d", "a".repeat(78), "c".repeat(90)));
        assert_eq!(out, format!("{} b\n{}\nd\n", "a".repeat(78), "c".repeat(90)));
    }
}
