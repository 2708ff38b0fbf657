"""What keeps a model from churning: pure rules that block entries for a while, and never an exit that protects.

Named as freqtrade's users know them: https://www.freqtrade.io/en/stable/plugins/#protections
"""
