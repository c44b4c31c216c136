//! Who asks: the host's user, or a token verified here.
