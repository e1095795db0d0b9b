"""Mail: composing mails in the recipient's language and sending them to the relay."""
