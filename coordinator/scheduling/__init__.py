"""From a campaign to blocks, attempts and retries: pure rules, and the messages that offer blocks to hosts."""
