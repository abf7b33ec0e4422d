//! What a payload says about itself: the well-known fields, when it is an object.
