//! Tells code from words in Rust source, line by line.
//!
//! Knows comments (nested too), strings (raw ones too), character literals and lifetimes; no more of
//! the language than that. Both views keep every line break, so that line numbers stay true.

#[cfg(test)]
mod tests;

/// Two complementary views of one file.
pub(crate) struct Views {
    /// Without comments and without the contents of literals.
    pub(crate) code: String,
    /// Comments and the contents of strings alone.
    pub(crate) words: String,
}

impl Views {
    /// Splits a source text.
    pub(crate) fn of(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let mut split = Splitter { chars: &chars, at: 0, code: String::new(), words: String::new() };
        while split.at < chars.len() {
            split.next();
        }
        Self { code: split.code, words: split.words }
    }
}

struct Splitter<'a> {
    chars: &'a [char],
    at: usize,
    code: String,
    words: String,
}

impl Splitter<'_> {
    fn next(&mut self) {
        match (self.chars[self.at], self.peek(1)) {
            ('/', Some('/')) => self.line_comment(),
            ('/', Some('*')) => self.block_comment(),
            ('"', _) => self.string(),
            ('r', Some('"' | '#')) if !self.inside_name() => self.raw_string(),
            ('\'', _) => self.quote(),
            _ => self.take_code(),
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    /// Whether the character before is part of a name other than the `b` and `c` of a literal's prefix.
    fn inside_name(&self) -> bool {
        let Some(before) = self.at.checked_sub(1).map(|at| self.chars[at]) else { return false };
        let prefix = matches!(before, 'b' | 'c') && (self.at < 2 || !is_name(self.chars[self.at - 2]));
        is_name(before) && !prefix
    }

    fn take_code(&mut self) {
        let c = self.chars[self.at];
        self.code.push(c);
        self.words.push(if c == '\n' { '\n' } else { ' ' });
        self.at += 1;
    }

    fn take_words(&mut self) {
        let Some(c) = self.peek(0) else { return };
        self.words.push(c);
        self.code.push(if c == '\n' { '\n' } else { ' ' });
        self.at += 1;
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.take_words();
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('*')) => depth += 1,
                ('*', Some('/')) => depth -= 1,
                _ => {
                    self.take_words();
                    continue;
                }
            }
            self.take_words();
            self.take_words();
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.take_code();
        while let Some(c) = self.peek(0) {
            match c {
                '"' => return self.take_code(),
                '\\' if self.peek(1).is_some() => {
                    self.take_words();
                    self.take_words();
                }
                _ => self.take_words(),
            }
        }
    }

    fn raw_string(&mut self) {
        let hashes = self.chars[self.at + 1..].iter().take_while(|c| **c == '#').count();
        if self.peek(1 + hashes) != Some('"') {
            // `r#name`, a raw identifier.
            return self.take_code();
        }
        for _ in 0..hashes + 2 {
            self.take_code();
        }
        while self.at < self.chars.len() {
            let closes = self.chars[self.at] == '"' && (1..=hashes).all(|i| self.peek(i) == Some('#'));
            if closes {
                for _ in 0..=hashes {
                    self.take_code();
                }
                return;
            }
            self.take_words();
        }
    }

    /// A character literal, or the tick of a lifetime.
    fn quote(&mut self) {
        self.take_code();
        if self.peek(0) == Some('\\') {
            self.take_words();
            self.take_words();
            while self.peek(0).is_some_and(|c| c != '\'' && c != '\n') {
                self.take_words();
            }
        } else if self.peek(1) == Some('\'') {
            self.take_words();
        } else {
            return;
        }
        if self.peek(0) == Some('\'') {
            self.take_code();
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
