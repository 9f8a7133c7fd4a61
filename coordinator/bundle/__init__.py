"""Bundles: a campaign with its raw trials and its report in one signed file, and their verification.

It knows no database and no server, so that a bundle is verified anywhere.
"""
