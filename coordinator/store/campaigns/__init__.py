"""Campaigns as users see them: lists, views, progress, reports, labels."""
