//! Grants rights on a real cluster, as its administrator: two requests of Kafka's protocol, written by hand
//! because the client library has none for them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::harness::PATIENCE;

/// What a right is about, by the number of the protocol.
#[derive(Clone, Copy)]
pub(super) enum On {
    Topic = 2,
    Group = 3,
}

/// What may be done, by the number of the protocol.
#[derive(Clone, Copy)]
pub(super) enum May {
    Read = 3,
    Write = 4,
    Describe = 8,
}

const CREATE_ACLS: i16 = 30;
const DESCRIBE_ACLS: i16 = 29;
/// `LITERAL`, and `ALLOW`: both are number 3.
const LITERAL: u8 = 3;
const ALLOW: u8 = 3;

/// The broker's listener without protection, where everybody is an administrator.
pub(super) struct Administrator(TcpStream);

impl Administrator {
    pub(super) fn at(bootstrap: &str) -> Self {
        let stream = TcpStream::connect(bootstrap).expect("the broker is there");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self(stream)
    }

    /// Lets a user do this, and returns when the broker heeds it.
    pub(super) fn allow(&mut self, user: &str, on: (On, &str), may: May) {
        let (resource, name) = on;
        let principal = format!("User:{user}");
        let mut body = 1_i32.to_be_bytes().to_vec();
        body.push(resource as u8);
        text(&mut body, name);
        body.push(LITERAL);
        text(&mut body, &principal);
        text(&mut body, "*");
        body.extend([may as u8, ALLOW]);
        let answer = self.call(CREATE_ACLS, &body);
        // Throttling, one result: its error.
        assert_eq!(answer[4..10], [0, 0, 0, 1, 0, 0], "the right is granted: {answer:?}");

        let mut filter = vec![resource as u8];
        text(&mut filter, name);
        filter.push(LITERAL);
        text(&mut filter, &principal);
        text(&mut filter, "*");
        filter.extend([may as u8, ALLOW]);
        loop {
            let answer = self.call(DESCRIBE_ACLS, &filter);
            // Throttling, no error and no message, then the resources that have it.
            assert_eq!(answer[4..6], [0, 0], "rights are told: {answer:?}");
            if answer[8..12] == [0, 0, 0, 1] {
                return;
            }
        }
    }

    fn call(&mut self, key: i16, body: &[u8]) -> Vec<u8> {
        let mut request = key.to_be_bytes().to_vec();
        // Version 1, and any number to know the answer by.
        request.extend([0, 1, 0, 0, 0, 7]);
        text(&mut request, "administrator");
        request.extend(body);
        let length = i32::try_from(request.len()).expect("a short request");
        self.0.write_all(&length.to_be_bytes()).and_then(|()| self.0.write_all(&request)).expect("it is sent");
        let mut length = [0; 4];
        self.0.read_exact(&mut length).expect("the broker answers");
        let mut answer = vec![0; usize::try_from(i32::from_be_bytes(length)).expect("a length")];
        self.0.read_exact(&mut answer).expect("the broker answers");
        answer.split_off(4)
    }
}

fn text(body: &mut Vec<u8>, text: &str) {
    body.extend(i16::try_from(text.len()).expect("a short text").to_be_bytes());
    body.extend(text.bytes());
}
