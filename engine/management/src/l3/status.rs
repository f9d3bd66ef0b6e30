//! What consoles are shown of layer 3.
