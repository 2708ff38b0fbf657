"""The providers' own address rules as a server, and the product's requests counted by it.

Written from the providers' documents; nothing of the local venue is used, so that a mistake of ours is not made twice.
"""
